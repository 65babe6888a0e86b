"""One try of one job: run its handler, then done, later or dead."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
import structlog
from redis.exceptions import ConnectionError as RedisLost
from redis.exceptions import TimeoutError as RedisSilent
from sqlalchemy.exc import DBAPIError

from plaza.core.clock import Clock
from plaza.core.correlation import correlated
from plaza.core.db import is_lost_database, is_lost_server, under
from plaza.core.errors import Unavailable
from plaza.core.jobs.declare import Handler
from plaza.core.jobs.registry import Entry
from plaza.core.jobs.scope import JobScope, LeaseLost
from plaza.core.jobs.store import JobStore, Lease
from plaza.core.result import DomainError, Failure, ServiceResult
from plaza.core.telemetry.metrics import JOB_SECONDS, JOBS

log = structlog.get_logger(__name__)

LONGEST_BACK_OFF_S = 3600.0
# For a server of ours that is away: such tries have no end, and nothing is lost by asking.
AWAY_S = (1.0, 2.0, 4.0, 8.0, 16.0)
ERROR_LENGTH = 500


def back_off(handler: Handler, failures: int) -> float:
    """Seconds: as the handler has declared, else 2, 4, 8 ... an hour."""
    if handler.pauses:
        return handler.pauses[failures - 1].total_seconds()
    return min(2.0**failures, LONGEST_BACK_OFF_S)


def jittered(seconds: float) -> float:
    """A quarter shorter or longer, so that what failed together does not return together."""
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, not a secret


class Runner:
    """`services` are each handler's own, by the handler's name. `pause` makes of the seconds that a job should wait those that it does."""

    def __init__(
        self,
        store: JobStore,
        clock: Clock,
        services: Mapping[str, Mapping[str, Any]],
        pause: Callable[[float], float] = jittered,
    ) -> None:
        self.store, self.clock, self.services, self.pause = store, clock, services, pause

    async def run(self, lease: Lease) -> str:
        """How it ended: done, retried, dead or lost. Never raises but for cancellation, after which the lease stays."""
        entry, started = lease.entry, time.perf_counter()
        with (
            structlog.contextvars.bound_contextvars(job=entry.name, job_id=str(lease.id), attempt=lease.attempt),
            correlated(lease.correlation_id or None, str(lease.id)),
        ):
            try:
                outcome = await self._try(lease)
            except LeaseLost:
                outcome = "lost"
            except Exception as error:  # the row could not be moved: its lease runs out, and another try settles it
                log.log(logging.WARNING if is_lost_server(error) else logging.ERROR, "job_unsettled", exc_info=error)
                outcome = "lost"
            seconds = time.perf_counter() - started
            log.info("job", outcome=outcome, seconds=round(seconds, 4))
        JOBS.labels(entry.name, outcome).inc()
        JOB_SECONDS.labels(entry.name).observe(seconds)
        return outcome

    async def _try(self, lease: Lease) -> str:
        handler = lease.entry.handler
        scope = JobScope(self.clock, lease.id, lease.attempt, secrets=lease.entry.secrets, outside=handler.outside)
        if handler.outside and not await self.store.claim(lease):
            raise LeaseLost  # a flow may call outside before its first command meets the fence
        try:
            async with asyncio.timeout(handler.timeout.total_seconds()):
                with under(scope):
                    result = await self._call(lease)
        except LeaseLost:
            raise
        except DomainError as error:
            return await self._refused(lease, error)
        except Exception as error:
            told = describe(error, brief=bool(lease.entry.secrets))
            # where another server is away, one line per try is enough
            log.warning("job_failed", error=told, exc_info=None if handler.outside else error)
            if _is_away(error, outside=handler.outside):
                return await self._not_now(lease, told)
            return await self._later(lease, told)
        if isinstance(result, Failure):
            return await self._refused(lease, result.error)
        if scope.must_finish:
            await self.store.finish(scope)
        return "done"

    def _call(self, lease: Lease) -> Awaitable[ServiceResult[Any]]:
        entry: Entry = lease.entry
        services = self.services[entry.name]
        if entry.message is None:
            return entry.handler(**services)
        return entry.handler(msgspec.json.decode(lease.payload, type=entry.message), **services)

    async def _refused(self, lease: Lease, error: DomainError) -> str:
        """A refusal is an answer: only one that names a time is asked again, and what a server of ours cannot answer for now."""
        if isinstance(error, Unavailable):
            return await self._not_now(lease, error.code, error.retry_after or 0)
        if error.retry_after is not None:
            return await self._later(lease, error.code, error.retry_after)
        return await self._give_up(lease, error.code)

    async def _later(self, lease: Lease, error: str, after_s: float | None = None) -> str:
        failures = lease.failures + 1
        if failures >= lease.entry.handler.attempts:
            return await self._give_up(lease, error)
        wait = self.pause(back_off(lease.entry.handler, failures)) if after_s is None else after_s
        return await self._postpone(lease, error, wait, counted=True)

    async def _not_now(self, lease: Lease, error: str, after_s: float = 0) -> str:
        """A server of ours is away, which is not this job's failure."""
        wait = max(after_s, self.pause(AWAY_S[min(lease.attempt, len(AWAY_S)) - 1]))
        return await self._postpone(lease, error, wait, counted=False)

    async def _postpone(self, lease: Lease, error: str, seconds: float, *, counted: bool) -> str:
        at = self.clock.now() + timedelta(seconds=seconds)
        return "retried" if await self.store.postpone(lease, at, error, counted=counted) else "lost"

    async def _give_up(self, lease: Lease, error: str) -> str:
        if not await self.store.give_up(lease, error):
            return "lost"
        log.error("job_dead", error=error)
        return "dead"


def _is_away(error: Exception, *, outside: bool) -> bool:
    """Whether PostgreSQL or Redis was away. An outside job may as well have lost a server of others: what is not certain counts."""
    if isinstance(error, (RedisLost, RedisSilent)):
        return True
    return is_lost_database(error) if outside else is_lost_server(error)


def describe(error: Exception, *, brief: bool = False) -> str:
    """What a dead letter shows. A statement's parameters can be secrets: a database error is told by its kind alone, and so is any
    error of a job that carries secrets (`brief`)."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return (
            f"{type(error.orig.__cause__ or error.orig).__name__} {getattr(error.orig, 'sqlstate', None) or ''}".strip()
        )
    return type(error).__name__ if brief else f"{type(error).__name__}: {error}".splitlines()[0][:ERROR_LENGTH]
