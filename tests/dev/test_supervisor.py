"""Which deaths are healed, and which are given up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from plaza.dev import supervisor
from plaza.dev.embedded import ServersUnavailable
from plaza.dev.processes import ManagedProcess, StartFailed
from plaza.dev.supervisor import Supervisor


class Scripted(ManagedProcess):
    """Starts as its script says: an error is raised, a number is the exit status it ends with at once, None lets it run on."""

    def __init__(self, script: list[Exception | int | None]) -> None:
        super().__init__("scripted", Path("/nonexistent"))
        self.script = script
        self.status: int | None = None
        self.is_steady = asyncio.Event()

    async def start(self) -> None:
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        self.status = step

    async def exited(self) -> int:
        while self.status is None:
            self.is_steady.set()
            await asyncio.get_running_loop().create_future()
        return self.status

    async def stop(self, hurry: object = None) -> None:
        self.script.clear()


class Watched:
    """A supervisor, and what it said."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.given_up: list[Exception] = []
        self.gave_up = asyncio.Event()
        self.supervisor = Supervisor(self.told.append, self._give_up)

    def _give_up(self, error: Exception) -> None:
        self.given_up.append(error)
        self.gave_up.set()


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY_S", 0.0)


async def test_one_that_ends_however_often_is_started_again() -> None:
    watched, process = Watched(), Scripted([*range(1, 10), None])
    await watched.supervisor.start(process)
    await process.is_steady.wait()
    assert len(watched.told) == 9
    assert watched.told[0].startswith("scripted ended (exit status 1)")
    assert watched.given_up == []
    await watched.supervisor.stop(asyncio.Event())


async def test_one_that_comes_up_at_the_fifth_try_is_kept() -> None:
    watched, process = Watched(), Scripted([StartFailed("no luck")] * 4 + [None])
    await watched.supervisor.start(process)
    await process.is_steady.wait()
    assert watched.given_up == []
    await watched.supervisor.stop(asyncio.Event())


@pytest.mark.parametrize(
    ("script", "attempts"), [([StartFailed("no luck")] * 9, 5), ([ServersUnavailable("not for this system")] * 9, 1)]
)
async def test_one_that_cannot_start_is_given_up(script: list[Exception | int | None], attempts: int) -> None:
    watched, process = Watched(), Scripted([*script])
    starting = asyncio.create_task(watched.supervisor.start(process))
    await watched.gave_up.wait()
    assert watched.given_up == [script[0]]
    assert len(process.script) == len(script) - attempts
    starting.cancel()
    await watched.supervisor.stop(asyncio.Event())
