"""A process that dies before its n-th step: before a statement, before a COMMIT, or with the deed done and nobody told.

`python -m tests.faults.mortal` imports the program once and forks for each life that ends, so that a life is cheap. A deed that nobody
dies of it does itself, unless that hashes passwords: the threads for it would not be there after a fork.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import msgspec
from sqlalchemy import event, text

from plaza.app.runtime import Runtime
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.jobs.store import JobStore
from plaza.core.result import Failure, ServiceResult
from plaza.core.storage import LocalStorage, Storage
from plaza.identity.schemas import EmailInput, RegistrationInput, ResetPasswordInput, VerifyEmailInput
from plaza.identity.service import LeavingService, PasswordService, RegistrationService
from tests.identity.builders import HERE
from tests.support.jobs import runner_of
from tests.support.stage import configuration_for

NEVER = 0
_OPEN = text(
    """select exists (select from core_job
        where state = 'leased' or (state = 'queued' and (run_at <= :now or failures > 0)))"""
)


class Life(msgspec.Struct, frozen=True):
    """With `by_commits` a step is what a transaction leaves, or a file; else every statement is one, too."""

    deed: str
    arguments: list[str]
    dies_at: int
    by_commits: bool = False


class End(msgspec.Struct, frozen=True):
    """`answer` is "OK", the code of a refusal, or None of who died."""

    answer: str | None


class Steps:
    def __init__(self, last: int) -> None:
        self.last, self.taken = last, 0

    def watch(self, db: Database, *, by_commits: bool) -> None:
        for engine in (db.engine.sync_engine, db.reader.sync_engine):
            for name in ("commit",) if by_commits else ("before_cursor_execute", "commit"):
                event.listen(engine, name, self.take)

    def watch_files(self, storage: Storage) -> None:
        """Before one is begun, and when all of it is written but nobody sees it yet."""
        assert isinstance(storage, LocalStorage)
        for name in ("_begin", "_finish"):
            setattr(storage, name, self._after_a_step(getattr(storage, name)))

    def _after_a_step(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            self.take()
            return fn(*arguments)

        return called

    def take(self, *_: object) -> None:
        self.taken += 1
        if self.taken == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


async def register(runtime: Runtime, email: str, password: str) -> str:
    given = RegistrationInput(email=email, password=password, display_name="Somebody")
    return _told(await runtime.parts[RegistrationService].register(given))


async def verify(runtime: Runtime, email: str, code: str) -> str:
    return _told(await runtime.parts[RegistrationService].verify(VerifyEmailInput(email=email, code=code), HERE))


async def ask_reset(runtime: Runtime, email: str) -> str:
    return _told(await runtime.parts[PasswordService].ask_reset(EmailInput(email=email)))


async def reset(runtime: Runtime, token: str, password: str) -> str:
    given = ResetPasswordInput(token=token, password=password)
    return _told(await runtime.parts[PasswordService].reset(given, HERE))


async def delete_account(runtime: Runtime, user_id: str) -> str:
    return _told(await runtime.parts[LeavingService].delete(Actor(user_id=UUID(user_id)), erase_texts=True))


async def work(runtime: Runtime) -> str:
    """All jobs there are, one after another. A lease is over at once: of who dies, the next worker need not wait.

    But PostgreSQL hears of a death a little later, and holds what the dead had locked until then.
    """
    store = JobStore(runtime.db, runtime.parts[Clock], lease_s=0)
    runner, entries = runner_of(runtime.jobs, store), runtime.jobs.registry.entries.values()
    while True:
        await store.take_back()
        leases = [
            lease
            for queue in runtime.jobs.registry.queues
            for lease in await store.lease(queue, [each for each in entries if each.handler.queue == queue], 1)
        ]
        if not leases:
            async with runtime.db.reader.connect() as connection:
                if not (await connection.execute(_OPEN, {"now": runtime.parts[Clock].now()})).scalar_one():
                    return "OK"
            await asyncio.sleep(0.05)
        for lease in leases:
            await runner.run(lease)


DEEDS: dict[str, Callable[..., Awaitable[str]]] = {
    each.__name__: each for each in (register, verify, ask_reset, reset, delete_account, work)
}
HASHING = {each.__name__ for each in (register, verify, reset)}


class Mortals:
    """Processes that do one deed each, over one database."""

    def __init__(self, database_url: str, redis_url: str, **variables: str) -> None:
        given = {"database_url": database_url, "redis_url": redis_url, **variables}
        self.environment = {**os.environ, "TEST_MORTALS": json.dumps(given)}
        self._mother: Process | None = None

    async def __aenter__(self) -> Self:
        self._mother = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, env=self.environment, stdin=PIPE, stdout=PIPE
        )
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._mother is not None
        assert self._mother.stdin is not None
        self._mother.stdin.close()
        await self._mother.wait()

    async def do(
        self,
        deed: Callable[..., Awaitable[str]],
        *arguments: str,
        dies_at: int = NEVER,
        by_commits: bool = False,
    ) -> str | None:
        """Its answer, or None where death came first."""
        assert self._mother is not None
        assert self._mother.stdin is not None
        assert self._mother.stdout is not None
        life = Life(deed.__name__, list(arguments), dies_at, by_commits)
        self._mother.stdin.write(msgspec.json.encode(life) + b"\n")
        return msgspec.json.decode(await self._mother.stdout.readline(), type=End).answer


def _told(result: ServiceResult[Any]) -> str:
    return result.error.code if isinstance(result, Failure) else "OK"


async def _outlive(life: Life, runtime: Runtime) -> str:
    """Leaves the children that come no connection, but what SQLAlchemy made of each statement."""
    try:
        return await DEEDS[life.deed](runtime, *life.arguments)
    finally:
        await runtime.close()


async def _live(life: Life, runtime: Runtime) -> str:
    steps = Steps(life.dies_at)
    steps.watch(runtime.db, by_commits=life.by_commits)
    if life.by_commits:
        steps.watch_files(runtime.storage)
    answer = await DEEDS[life.deed](runtime, *life.arguments)
    steps.take()
    return answer


def _lived(life: Life, runtime: Runtime) -> End:
    outlives = life.dies_at == NEVER and life.deed not in HASHING
    return End(asyncio.run(_outlive(life, runtime))) if outlives else _bear(life, runtime)


def _bear(life: Life, runtime: Runtime) -> End:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.write(writing, asyncio.run(_live(life, runtime)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        answer = told.read().decode()
    os.waitpid(child, 0)
    return End(answer or None)


def main() -> None:
    # not connected to anything before the fork
    runtime = Runtime(configuration_for(**json.loads(os.environ["TEST_MORTALS"])), "mortal")
    for line in sys.stdin.buffer:
        end = _lived(msgspec.json.decode(line, type=Life), runtime)
        sys.stdout.buffer.write(msgspec.json.encode(end) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
