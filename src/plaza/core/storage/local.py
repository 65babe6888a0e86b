"""A folder that all processes see: `files/<key>`, its content type in `types/<key>`, and what is still being written in `incoming/`."""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlencode
from uuid import uuid4

from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.service import outside
from plaza.core.storage.errors import LinkInvalid, NoSuchFile
from plaza.core.storage.port import (
    CHUNK_BYTES,
    StoredFile,
    checked_expiry,
    checked_filename,
    checked_key,
    chunks_of,
)

ROUTE = "/storage"
_ABANDONED = timedelta(days=1)


class LocalStorage:
    """Links lead to `ROUTE` of the API and carry an HMAC; their time is business time."""

    def __init__(self, root: Path, vault: Vault, clock: Clock, base_url: str) -> None:
        self.files, self.types, self.incoming = root / "files", root / "types", root / "incoming"
        self.vault, self.clock, self.base_url = vault, clock, base_url

    @outside
    async def put(self, key: str, content: bytes | AsyncIterator[bytes], content_type: str) -> None:
        file, kind = self._places(key)
        written = await asyncio.to_thread(self._begin)
        try:
            with written.open("xb") as target:
                async for chunk in chunks_of(content):
                    await asyncio.to_thread(target.write, chunk)
                await asyncio.to_thread(_sync, target)
            await asyncio.to_thread(self._finish, written, file, kind, content_type)
        except BaseException:
            written.unlink(missing_ok=True)
            raise

    @outside
    async def open(self, key: str) -> StoredFile:
        file, kind = self._places(key)
        return await asyncio.to_thread(_opened, file, kind)

    @outside
    async def delete(self, key: str) -> None:
        for place in self._places(key):
            await asyncio.to_thread(place.unlink, missing_ok=True)

    @outside
    async def exists(self, key: str) -> bool:
        return await asyncio.to_thread(self._places(key)[0].is_file)

    @outside
    async def signed_url(self, key: str, *, expires_s: int, filename: str) -> str:
        expires = int(self.clock.now().timestamp()) + checked_expiry(expires_s)
        signature = self._signature(checked_key(key), expires, checked_filename(filename))
        query = urlencode({"expires": expires, "filename": filename, "signature": signature})
        return f"{self.base_url}{ROUTE}/{quote(key)}?{query}"

    def check_link(self, key: str, expires: int, filename: str, signature: str) -> None:
        """Raises LinkInvalid."""
        is_ours = hmac.compare_digest(signature.encode(), self._signature(key, expires, filename).encode())
        if not is_ours or self.clock.now().timestamp() >= expires:
            raise LinkInvalid

    async def close(self) -> None:
        """Nothing stays open."""

    def _signature(self, key: str, expires: int, filename: str) -> str:
        return urlsafe_b64encode(self.vault.mac("storage-link", key, str(expires), filename)).rstrip(b"=").decode()

    def _places(self, key: str) -> tuple[Path, Path]:
        checked_key(key)
        places = self.files / key, self.types / key
        for place, root in zip(places, (self.files, self.types), strict=True):
            if not place.resolve().is_relative_to(root.resolve()):
                raise ValueError(f"{key!r} leads out of the folder")
        return places

    def _begin(self) -> Path:
        """Where nobody looks yet; takes away what died there."""
        self.incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in self.incoming.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - each.stat().st_mtime > _ABANDONED.total_seconds():
                    each.unlink()
        return self.incoming / uuid4().hex

    def _finish(self, written: Path, file: Path, kind: Path, content_type: str) -> None:
        """The file appears last."""
        told = written.with_suffix(".type")
        with told.open("xb") as target:
            target.write(content_type.encode())
            _sync(target)
        for source, place in ((told, kind), (written, file)):
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            source.replace(place)
            _sync_folder(place.parent)


def _opened(file: Path, kind: Path) -> StoredFile:
    try:
        source = file.open("rb")
        content_type = kind.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NoSuchFile(file.name) from error
    return StoredFile(os.fstat(source.fileno()).st_size, content_type, _chunks(source))


async def _chunks(source: BinaryIO) -> AsyncIterator[bytes]:
    with source:
        while chunk := await asyncio.to_thread(source.read, CHUNK_BYTES):
            yield chunk


def _sync(target: BinaryIO) -> None:
    target.flush()
    os.fsync(target.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
