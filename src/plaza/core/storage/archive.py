"""A zip that is written while it is read: neither it nor any file of it is ever whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from io import RawIOBase
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from plaza.core.storage.port import CHUNK_BYTES


class _Sink(RawIOBase):
    """Takes what zipfile writes, front to back."""

    def __init__(self) -> None:
        self.held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.held += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self.held)
        self.held.clear()
        return taken


async def zipped(files: AsyncIterator[tuple[str, AsyncIterator[bytes]]], at: datetime) -> AsyncIterator[bytes]:
    """Each file is read to its end before the next is asked for."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_DEFLATED) as archive:
        async for name, content in files:
            entry = ZipInfo(name, at.timetuple()[:6])
            entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o600 << 16
            with archive.open(entry, "w", force_zip64=True) as target:
                async for chunk in content:
                    target.write(chunk)
                    if len(sink.held) >= CHUNK_BYTES:
                        yield sink.take()
    yield sink.take()
