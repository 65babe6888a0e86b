"""What both servers share: a clean environment, a log of their own, sockets in a folder that only their owner enters."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import stat
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from plaza.dev.processes import Hurry, ManagedProcess, StartFailed

LOCALE = "C" if sys.platform == "darwin" else "C.UTF-8"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "LANG": LOCALE, "LC_ALL": LOCALE, "TZ": "UTC"}

LONGEST_SOCKET_PATH = 103  # bytes, macOS; Linux takes 107
LONGEST_SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_LOG = 5_000_000
LAST_LINES = 20


class Server(ManagedProcess):
    gives_up = True

    def __init__(self, name: str, folder: Path, *, durable: bool) -> None:
        super().__init__(name, folder.resolve())
        self.durable = durable
        self.log = self.folder / f"{name}.log"
        self.sockets = socket_folder(self.folder)
        self._log_start = 0

    @property
    def url(self) -> str:
        raise NotImplementedError

    async def stop(self, hurry: Hurry | None = None) -> signal.Signals | None:
        needed = await super().stop(hurry)
        if self.sockets.parent != self.folder:
            with contextlib.suppress(OSError):  # the other server's socket is still in it, or it was never made
                self.sockets.rmdir()
        return needed

    def open_log(self) -> BinaryIO:
        if self.log.exists() and self.log.stat().st_size > LONGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.old"))
        self.log.touch(mode=0o600)
        log = self.log.open("ab")
        self._log_start = os.fstat(log.fileno()).st_size
        return log

    def last_words(self) -> str:
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_start)
                lines = log.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join([f"{self.log}:", *(f"  {line}" for line in lines[-LAST_LINES:])])


def short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def socket_folder(folder: Path) -> Path:
    """`folder`/run, or a short plain path in the temp folder where a socket's address cannot hold that one."""
    temporary = f"plaza-{os.getuid()}-{short_hash(folder)}"
    for candidate in (folder / "run", Path(tempfile.gettempdir()) / temporary):
        if len(os.fsencode(candidate / LONGEST_SOCKET_NAME)) <= LONGEST_SOCKET_PATH and re.fullmatch(
            r"[\w./-]+", str(candidate), re.ASCII
        ):
            return candidate
    return Path("/tmp") / temporary  # noqa: S108 - only entered after its owner was checked


def make_socket_folder(folder: Path, owners: tuple[int, ...]) -> None:
    """In a shared temp folder somebody else could have made it first: then nothing is put there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners or status.st_mode & 0o077:
        raise StartFailed(f"{folder} is not a folder that only this user enters: remove it")
