"""Starting a child through the shim: it ends with us, in a session of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

SHIM = Path(__file__).with_name("shim.py")
POLL_S = 0.02


def spawn(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    output: IO[bytes] | int,
    death_signal: signal.Signals = signal.SIGKILL,
    rights: str = "same",
    folder: Path | None = None,
    input_: IO[bytes] | int = subprocess.DEVNULL,
    working_folder: Path = Path("/"),
    hold: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """`folder` is where it must be able to write under those rights; `hold` are descriptors that the child and its forks keep open."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a child ends with the thread that spawned it: spawn from the main thread")
    return subprocess.Popen(  # noqa: S603 - commands of our own making
        [sys.executable, "-I", "-S", SHIM, str(os.getpid()), str(int(death_signal)), rights, folder or "", *command],
        env=dict(environment),
        cwd=working_folder,
        stdin=input_,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=tuple(hold),
    )


async def exit_of(child: subprocess.Popen[bytes]) -> int:
    """The exit status, negative for a signal. Polled, because a child outlives the event loop that started it (in tests)."""
    while (status := child.poll()) is None:  # noqa: ASYNC110 - a child sets no event
        await asyncio.sleep(POLL_S)
    return status


async def finish(child: subprocess.Popen[bytes]) -> int:
    """Waits for a child that ends by itself; when the wait is cancelled, so is the child."""
    try:
        return await exit_of(child)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def describe_exit(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name
