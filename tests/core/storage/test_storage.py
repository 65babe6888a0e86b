"""What every storage promises, over the folder, moto and rclone."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from plaza.core.clock import SystemClock
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.result import ServiceResult, success
from plaza.core.service import OutsideCallInTransaction, Service, command
from plaza.core.settings import DEVELOPMENT_SECRET, PlazaSettings, SettingsError
from plaza.core.storage import LocalStorage, NoSuchFile, Storage, StorageSettings, storage_for
from plaza.core.storage.s3 import PART_BYTES, S3Storage
from tests.core.storage.conftest import bucket_at
from tests.support.waiting import eventually


def a_key(name: str = "file.zip") -> str:
    return f"tests/{uuid4()}/{name}"


async def read(storage: Storage, key: str) -> bytes:
    return b"".join([chunk async for chunk in (await storage.open(key)).content])


async def blocks(count: int, size: int = 1024 * 1024) -> AsyncIterator[bytes]:
    for number in range(count):
        yield number.to_bytes(4, "big") * (size // 4)


async def test_what_is_put_is_read_until_it_is_deleted(storage: Storage) -> None:
    key = a_key()
    assert not await storage.exists(key)
    with pytest.raises(NoSuchFile):
        await storage.open(key)

    await storage.put(key, b"first", "application/zip")
    await storage.put(key, b"second", "text/plain")
    file = await storage.open(key)
    assert (file.size, file.content_type) == (6, "text/plain")
    assert b"".join([chunk async for chunk in file.content]) == b"second"
    assert await storage.exists(key)

    await storage.delete(key)
    await storage.delete(key)
    assert not await storage.exists(key)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES])
async def test_every_size(storage: Storage, size: int) -> None:
    async def content() -> AsyncIterator[bytes]:
        left = size
        while left:
            yield b"x" * min(left, 1_000_003)
            left -= min(left, 1_000_003)

    key = a_key()
    await storage.put(key, content(), "application/octet-stream")
    file, read = await storage.open(key), 0
    async for chunk in file.content:
        read += len(chunk)
        assert set(chunk) == {ord("x")}
    assert (file.size, read) == (size, size)
    await storage.delete(key)


async def test_content_that_breaks_off_leaves_nothing(storage: Storage) -> None:
    async def content() -> AsyncIterator[bytes]:
        async for block in blocks(20):
            yield block
        raise ConnectionError("the source is gone")

    new, old = a_key(), a_key()
    await storage.put(old, b"old", "text/plain")
    for key in (new, old):
        with pytest.raises(ConnectionError):
            await storage.put(key, content(), "text/plain")
    assert not await storage.exists(new)
    assert await read(storage, old) == b"old"


@pytest.mark.parametrize("server", ["local", "rclone"])
async def test_a_file_is_never_in_memory(server: str, request: pytest.FixtureRequest, local: LocalStorage) -> None:
    count, key, hashed = 64, a_key(), hashlib.sha256()
    storage: Storage = local if server == "local" else S3Storage(bucket_at(request.getfixturevalue(server)))
    await storage.put(a_key(), b"warm", "text/plain")
    tracemalloc.start()
    try:
        await storage.put(key, blocks(count), "application/octet-stream")
        async for chunk in (await storage.open(key)).content:
            hashed.update(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    expected = hashlib.sha256()
    async for block in blocks(count):
        expected.update(block)
    assert hashed.digest() == expected.digest()
    assert peak < 6 * PART_BYTES
    await storage.delete(key)
    await storage.close()


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../a",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        ".hidden",
        "a/.hidden",
        "A",
        "a b",
        "a\\b",
        "a\0",
        "é",
        "a" * 513,
    ],
)
async def test_what_is_no_key_is_refused(storage: Storage, key: str) -> None:
    for call in (
        storage.put(key, b"", "text/plain"),
        storage.open(key),
        storage.delete(key),
        storage.exists(key),
        storage.signed_url(key, expires_s=60, filename="a.zip"),
    ):
        with pytest.raises(ValueError, match="not a key"):
            await call


@pytest.mark.parametrize(
    ("expires_s", "filename"), [(0, "a.zip"), (604801, "a.zip"), (60, ""), (60, 'a"b'), (60, "a\r\nb")]
)
async def test_what_is_no_link_is_refused(storage: Storage, expires_s: int, filename: str) -> None:
    with pytest.raises(ValueError, match="not"):
        await storage.signed_url("a", expires_s=expires_s, filename=filename)


class Careless(Service):
    def __init__(self, db: Database, storage: Storage) -> None:
        super().__init__(db)
        self.storage = storage

    @command()
    async def keep(self, key: str) -> ServiceResult[None]:
        await self.storage.put(key, b"", "text/plain")
        return success(None)


async def test_never_inside_a_transaction(storage: Storage, database_url: str) -> None:
    db, key = Database(database_url), a_key()
    with pytest.raises(OutsideCallInTransaction):
        await Careless(db, storage).keep(key)
    await db.close()
    assert not await storage.exists(key)


@pytest.mark.parametrize("server", ["moto", "rclone"])
async def test_links_of_s3(server: str, request: pytest.FixtureRequest) -> None:
    storage, key = S3Storage(bucket_at(request.getfixturevalue(server))), a_key()
    await storage.put(key, b"content", "application/zip")
    url = await storage.signed_url(key, expires_s=60, filename="yours.zip")
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
        assert (answer.status_code, answer.content) == (200, b"content")
        assert answer.headers["content-type"] == "application/zip"
        if server == "moto":  # rclone leaves the header out
            assert answer.headers["content-disposition"] == 'attachment; filename="yours.zip"'
    await storage.close()


async def test_links_of_s3_are_signed_and_end(rclone: str) -> None:
    storage, key, other = S3Storage(bucket_at(rclone)), a_key(), a_key()
    for each in (key, other):
        await storage.put(each, b"content", "application/zip")
    url = await storage.signed_url(key, expires_s=3600, filename="yours.zip")
    short = await storage.signed_url(key, expires_s=1, filename="yours.zip")
    stranger = S3Storage(bucket_at(rclone, secret_access_key="another"))
    forged = [
        url.split("?")[0],
        url.replace(key, other),
        url.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
        await stranger.signed_url(key, expires_s=60, filename="a"),
    ]
    async with httpx.AsyncClient() as client:

        async def is_refused(link: str = short) -> bool:
            answer = await client.get(link)
            return answer.status_code in (400, 403) and b"content" not in answer.content

        for link in forged:
            assert await is_refused(link), link
        await eventually(is_refused)
        assert (await client.get(url)).content == b"content"
    await storage.close()
    await stranger.close()


async def test_links_name_the_address_that_people_reach() -> None:
    storage = S3Storage(bucket_at("http://s3.internal:9000", public_endpoint="https://files.example"))
    url = await storage.signed_url("a.zip", expires_s=60, filename="a.zip")
    assert url.startswith("https://files.example/plaza/a.zip?")
    await storage.close()


async def test_a_large_file_goes_up_in_parts(moto: str) -> None:
    storage, key = S3Storage(bucket_at(moto)), a_key()
    await storage.put(key, blocks(20), "application/octet-stream")
    client = await storage._client(moto)
    found = await client.head_object(Bucket="plaza", Key=key)
    left = await client.list_multipart_uploads(Bucket="plaza")
    assert found["ETag"].strip('"').endswith("-3"), "an ETag tells of how many parts"
    assert left.get("Uploads", []) == []
    await storage.close()


def settings(**given: str) -> StorageSettings:
    return StorageSettings(**given)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"url": "relative/folder"}, "url must be"),
        ({"url": "file://host/folder"}, "url must be"),
        ({"url": "s3://"}, "url must be"),
        ({"url": "s3://bucket/../x"}, "not a key"),
        ({"endpoint": "files.example"}, "endpoint must begin"),
        ({"access_key_id": "x"}, "belong together"),
    ],
)
def test_wrong_settings_are_named(given: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        settings(**given)


def test_settings_choose_the_storage(tmp_path: Path) -> None:
    def made(url: str, plaza: PlazaSettings | None = None) -> Storage:
        return storage_for(settings(url=url), plaza or PlazaSettings(), Vault(DEVELOPMENT_SECRET), SystemClock())

    folder, bucket = made(f"file://{tmp_path}"), made("s3://bucket/some/prefix/")
    assert isinstance(folder, LocalStorage)
    assert folder.files == tmp_path / "files"
    assert isinstance(bucket, S3Storage)
    assert (bucket.bucket.name, bucket.bucket.prefix) == ("bucket", "some/prefix")
    assert isinstance(made(""), LocalStorage)
    production = PlazaSettings(env="production", secret_key="x" * 32, public_url="https://plaza.example")
    with pytest.raises(SettingsError, match="PLAZA_STORAGE_URL"):
        made("", production)
