"""A folder for servers that live as long as a test run: in memory where there is room, and never left behind for long."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from plaza.dev.embedded.servers import EmbeddedServers

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a fresh folder of our own is made there
ENOUGH_BYTES = 1 << 30
LOCK = "owner.lock"


@contextlib.contextmanager
def throwaway_folder() -> Iterator[Path]:
    """Removed at the end of the block; one whose owner was killed is removed by the next call. Call it from the main thread."""
    parent = IN_MEMORY if _has_room(IN_MEMORY) else Path(tempfile.gettempdir())
    prefix = f"plaza-{os.getuid()}-throwaway-"
    _remove_abandoned(parent, prefix)
    draft = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=parent))
    with (draft / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = draft.rename(parent / draft.name.removeprefix("."))  # found by others only once it is locked
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def throwaway_servers() -> Iterator[EmbeddedServers]:
    """Both servers, fresh and without durability."""
    with throwaway_folder() as folder, EmbeddedServers(folder, durable=False) as servers:
        yield servers


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ENOUGH_BYTES


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError), (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with ThreadPoolExecutor(1) as thread:  # in this one there may be a loop already
                thread.submit(asyncio.run, _end_orphans(EmbeddedServers(folder))).result()
            shutil.rmtree(folder)


async def _end_orphans(servers: EmbeddedServers) -> None:
    await servers.valkey.end_orphans()
    await servers.postgres.end_orphans()
