"""`plaza` in processes of its own that begin where its modules are imported already, which is most of the work of a start.

They are forked from a server that imported them once. What a start from nothing does is tested where `plaza up` is, and by
`CommandLine.python`.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["plaza.dev.cli", "plaza.app.server", "plaza.app.runtime", "plaza.core.jobs.worker"])
_PR_SET_PDEATHSIG = 1


class ForkedPlaza:
    """As a Popen: `plaza` with these words, in that folder and environment. It ends with the test run, whatever becomes of that."""

    def __init__(
        self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str], out: Path, err: Path | None = None
    ) -> None:
        given = (list(words), os.fspath(folder), dict(environment), os.fspath(out), os.fspath(err or out))
        self._process = _SERVER.Process(target=_run, args=given, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit status, negative for a signal, once it has one."""
        return self._process.exitcode

    async def has_ended(self) -> bool:
        return self.poll() is not None

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _run(words: list[str], folder: str, environment: dict[str, str], out: str, err: str) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    for path, descriptor in ((out, 1), (err, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["plaza", *words]

    from plaza.dev.cli import main

    main()
