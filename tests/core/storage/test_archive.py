"""A zip that is written while it is read."""

from __future__ import annotations

import io
import random
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

import pytest

from plaza.core.storage.archive import zipped

AT = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)


async def files(contents: Mapping[str, list[bytes]]) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
    async def chunks(name: str) -> AsyncIterator[bytes]:
        for chunk in contents[name]:
            yield chunk

    for name in contents:
        yield name, chunks(name)


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"empty.txt": []},
        {"a/one.txt": [b"one"], "a/ünï.json": [b"{", b"}"], "b.bin": [bytes(range(256)) * 10_000, b"end"]},
    ],
    ids=["nothing", "an empty file", "several"],
)
async def test_what_went_in_comes_out(contents: dict[str, list[bytes]]) -> None:
    written = b"".join([chunk async for chunk in zipped(files(contents), AT)])
    archive = zipfile.ZipFile(io.BytesIO(written))
    assert archive.testzip() is None
    assert {name: archive.read(name) for name in archive.namelist()} == {
        name: b"".join(chunks) for name, chunks in contents.items()
    }
    assert {entry.date_time for entry in archive.infolist()} <= {(2026, 1, 2, 3, 4, 6)}


async def test_it_is_never_in_memory() -> None:
    chance = random.Random(7)
    block = chance.randbytes(1024 * 1024)  # does not get smaller

    async def content() -> AsyncIterator[bytes]:
        for _ in range(48):
            yield block

    async def one() -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
        yield "large.bin", content()

    size = 0
    tracemalloc.start()
    try:
        async for chunk in zipped(one(), AT):
            size += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 48 * 1024 * 1024
    assert peak < 8 * 1024 * 1024
