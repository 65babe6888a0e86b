"""A long-living child of which there must be one: its lock `<name>.alive` is free only when the last of its forks is gone."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from plaza.dev.processes.spawn import POLL_S, describe_exit, exit_of, spawn
from plaza.dev.processes.table import command_lines

LOCK_POLL_S = 0.01
GRACE_S = 0.3
GIVE_UP_S = 30


class StartFailed(Exception):
    """It ended before it served; the message says why, with the end of its log."""


class Hurry(Protocol):
    """An event like asyncio.Event: once set, patience is over."""

    def is_set(self) -> bool: ...


class ManagedProcess:
    """Start, stop and kill of one child, from the main thread; restarting it is a supervisor's business.

    `folder` holds the lock. `stop_steps` are (signal, seconds of patience): a hurried stop begins at the second one.
    """

    stop_steps: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 15), (signal.SIGKILL, 30))
    gives_up = False

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.child: subprocess.Popen[bytes] | None = None

    def owns(self, command_line: str) -> bool:
        """Whether a process of this command line (words joined by a space) is one of ours."""
        raise NotImplementedError

    async def launch(self, lock: int) -> subprocess.Popen[bytes]:
        """Called while nothing of ours runs; the child has to hold the descriptor `lock`."""
        raise NotImplementedError

    async def is_ready(self) -> bool:
        return True

    def last_words(self) -> str:
        """What it wrote since this start."""
        return ""

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    async def start(self) -> None:
        """Ends what is left of an earlier run, launches and waits until it serves. Raises StartFailed."""
        if self.running:
            return
        lock = await self._claim()
        try:
            self.child = await self.launch(lock)
        finally:
            os.close(lock)
        child = self.child
        while not await self.is_ready():
            if (status := child.poll()) is not None:
                raise StartFailed(
                    f"{self.name} ended before it was ready ({describe_exit(status)})\n{self.last_words()}".rstrip()
                )
            await asyncio.sleep(POLL_S)

    async def exited(self) -> int:
        return await exit_of(self.child) if self.child is not None else 0

    async def stop(self, hurry: Hurry | None = None) -> signal.Signals | None:
        """Returns when it and all of its forks are gone: the last signal that this took."""
        needed = None

        def waits(step: int) -> bool:
            return self.running and not (step == 0 and hurry is not None and hurry.is_set())

        for step, (number, patience) in enumerate(self.stop_steps):
            if waits(step):
                self.send(needed := number)
            limit = time.monotonic() + patience
            while waits(step) and time.monotonic() < limit:  # noqa: ASYNC110 - a child sets no event
                await asyncio.sleep(POLL_S)
        await self.end_orphans()
        self.child = None
        return needed

    def kill(self) -> None:
        """SIGKILL for the process itself, as a fault would: its forks find out by themselves."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()

    def send(self, number: signal.Signals) -> None:
        if self.child is not None and self.child.poll() is None:
            if number == signal.SIGKILL:
                os.killpg(self.child.pid, number)
            else:
                self.child.send_signal(number)

    async def end_orphans(self) -> None:
        os.close(await self._claim())

    async def _claim(self) -> int:
        """The lock's descriptor. Whoever holds it gets a moment to end by itself, then SIGKILL."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / f"{self.name}.alive", os.O_RDWR | os.O_CREAT, 0o600)
        began = time.monotonic()
        try:
            while not _locked(lock):
                waited = time.monotonic() - began
                if waited > GIVE_UP_S:
                    raise StartFailed(f"{self.folder / self.name}.alive is held by a process that does not end")
                if waited > GRACE_S:
                    self._kill_orphans()
                await asyncio.sleep(LOCK_POLL_S)
        except BaseException:
            os.close(lock)
            raise
        return lock

    def _kill_orphans(self) -> None:
        for pid, command_line in command_lines():
            if self.owns(command_line):
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue  # gone meanwhile, or not ours after all
        if self.child is not None:
            self.child.poll()


class Program(ManagedProcess):
    """A child known by its command, with its output on a descriptor of ours; it dies with us by SIGKILL."""

    def __init__(
        self,
        name: str,
        folder: Path,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        working_folder: Path,
        output: int,
    ) -> None:
        super().__init__(name, folder)
        self.command, self.environment, self.working_folder, self.output = (
            list(command),
            dict(environment),
            working_folder,
            output,
        )

    def owns(self, command_line: str) -> bool:
        """The first word does not count: macOS shows an interpreter by another path than it was started by."""
        return command_line.endswith(" ".join(["", *self.command[1:]]))

    async def launch(self, lock: int) -> subprocess.Popen[bytes]:
        return spawn(
            self.command,
            environment=self.environment,
            output=self.output,
            working_folder=self.working_folder,
            folder=self.working_folder,
            hold=[lock],
        )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
