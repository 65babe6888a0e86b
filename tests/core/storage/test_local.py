"""The folder: what a death leaves there, and the links that lead into it."""

from __future__ import annotations

import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from plaza.core.storage import LocalStorage
from tests.support.clock import ManualClock
from tests.support.stage import Stage

# Writes half of a file and tells so; then it waits for what comes.
HALF = """
import asyncio, sys
from pathlib import Path
from plaza.core.clock import SystemClock
from plaza.core.crypto import Vault
from plaza.core.storage import LocalStorage

async def content():
    yield b"half" * 1_000_000
    print("half", flush=True)
    await asyncio.Event().wait()

storage = LocalStorage(Path(sys.argv[1]), Vault("x"), SystemClock(), "")
asyncio.run(storage.put("a/file.txt", content(), "text/plain"))
"""


@pytest.mark.parametrize("stands", [False, True])
async def test_a_killed_writer_leaves_what_stood_there(local: LocalStorage, stands: bool) -> None:
    if stands:
        await local.put("a/file.txt", b"old", "text/plain")
    root = local.files.parent
    writer = await create_subprocess_exec(sys.executable, "-c", HALF, os.fspath(root), stdout=PIPE)
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"half\n"
    writer.send_signal(signal.SIGKILL)
    await writer.wait()

    assert await local.exists("a/file.txt") is stands
    (left,) = local.incoming.iterdir()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(left, (two_days_ago, two_days_ago))
    await local.put("a/file.txt", b"new", "text/plain")
    assert list(local.incoming.iterdir()) == [], "the next writer takes away what died there"
    assert [chunk async for chunk in (await local.open("a/file.txt")).content] == [b"new"]


async def test_no_key_leads_out_of_the_folder(local: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    local.files.mkdir(parents=True)
    (local.files / "out").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="leads out"):
        await local.open("out/secret.txt")


async def test_a_folder_is_no_file(local: LocalStorage) -> None:
    await local.put("a/b", b"x", "text/plain")
    assert not await local.exists("a")


@pytest.fixture
def kept(plaza: Stage) -> LocalStorage:
    """The stage's own."""
    storage = plaza.runtime.storage
    assert isinstance(storage, LocalStorage)
    return storage


def path_of(url: str, **changed: str) -> str:
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return f"{parts.path}?{urlencode({**query, **changed})}"


async def test_a_link_downloads(kept: LocalStorage, client: httpx.AsyncClient) -> None:
    await kept.put("tests/page.html", b"<script>alert(1)</script>", "text/html")
    url = await kept.signed_url("tests/page.html", expires_s=60, filename="yours.html")
    answer = await client.get(path_of(url))
    assert (answer.status_code, answer.content) == (200, b"<script>alert(1)</script>")
    headers = answer.headers
    assert headers["content-disposition"] == 'attachment; filename="yours.html"'
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert headers["cache-control"] == "private, no-store"
    assert headers["content-length"] == "25"
    assert headers["content-type"].startswith("text/html")


async def test_a_link_ends(kept: LocalStorage, client: httpx.AsyncClient, clock: ManualClock) -> None:
    await kept.put("tests/a.zip", b"content", "application/zip")
    path = path_of(await kept.signed_url("tests/a.zip", expires_s=60, filename="a.zip"))
    clock.advance(timedelta(seconds=59))
    assert (await client.get(path)).status_code == 200
    clock.advance(timedelta(seconds=1))
    refused = await client.get(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "LINK_INVALID")


async def test_a_link_is_for_one_file_only(kept: LocalStorage, client: httpx.AsyncClient) -> None:
    for key in ("tests/a.zip", "tests/b.zip"):
        await kept.put(key, b"content", "application/zip")
    url = await kept.signed_url("tests/a.zip", expires_s=60, filename="a.zip")
    changed = [
        path_of(url).replace("a.zip?", "b.zip?"),
        path_of(url, expires="9999999999"),
        path_of(url, filename="evil.html"),
        path_of(url, signature="x"),
        path_of(url, signature="é"),
        path_of(url).replace("/storage/tests/", "/storage/tests/%2e%2e/tests/"),
        path_of(url).replace("/storage/tests/a.zip", "/storage/..%2f..%2f..%2fetc/passwd"),
        path_of(url).replace("/storage/tests/a.zip", "/storage//etc/passwd"),
    ]
    for path in changed:
        answer = await client.get(path)
        assert answer.status_code in (400, 403, 404), path
        assert b"content" not in answer.content
    assert (await client.get("/storage/tests/a.zip")).status_code == 400


async def test_a_link_to_what_is_gone(kept: LocalStorage, client: httpx.AsyncClient) -> None:
    path = path_of(await kept.signed_url("tests/gone.zip", expires_s=60, filename="a.zip"))
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
