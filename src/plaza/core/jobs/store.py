"""The moves of `core_job` that no command makes: lease, renew, take back, put back, give up.

Each is one statement in autocommit. Leases are measured with PostgreSQL's clock, which all workers share; `run_at` is business time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.jobs.models import JobRow
from plaza.core.jobs.registry import Entry
from plaza.core.jobs.scope import JobScope

# A job whose worker died each time is given up: it may be the one that kills them.
MOST_LEASES = 50

# A row is hidden behind an earlier one of its key only while that one can still run; the dead do not hold up the line.
_LEASE = text(
    """with due as (
        select id from core_job job
        where queue = :queue and state = 'queued' and run_at <= :now and handler = any(cast(:handlers as text[]))
          and (order_key is null or not exists (
            select 1 from core_job earlier
            where earlier.order_key = job.order_key and earlier.position < job.position
              and earlier.state in ('queued', 'leased')))
        order by run_at, position limit :most
        for update of job skip locked)
    update core_job set state = 'leased', attempt = attempt + 1,
        leased_until = clock_timestamp() + make_interval(secs => :lease_s)
    from due where core_job.id = due.id
    returning core_job.id, position, handler, attempt, failures, cast(payload as text) as payload, correlation_id"""
)
_RENEW = text(
    """with held as (
        select id from core_job
        where (id, attempt) in (select * from unnest(cast(:ids as uuid[]), cast(:attempts as int[]))) and state = 'leased'
        for update skip locked)
    update core_job set leased_until = clock_timestamp() + make_interval(secs => :lease_s)
    from held where core_job.id = held.id"""
)
_CLAIM = text(
    """update core_job set leased_until = clock_timestamp() + make_interval(secs => :lease_s)
    where id = :id and attempt = :attempt and state = 'leased'"""
)
_TAKE_BACK = text(
    """with expired as (
        select id from core_job where state = 'leased' and leased_until < clock_timestamp()
        order by leased_until limit 1000 for update skip locked)
    update core_job set leased_until = null,
        state = case when attempt < :most_leases then 'queued' else 'dead' end,
        error = case when attempt < :most_leases then error else 'no worker survived it' end,
        ended_at = case when attempt < :most_leases then null else cast(:now as timestamptz) end
    from expired where core_job.id = expired.id"""
)
_RELEASE = text(
    """update core_job set state = 'queued', leased_until = null
    where (id, attempt) in (select * from unnest(cast(:ids as uuid[]), cast(:attempts as int[]))) and state = 'leased'"""
)
_POSTPONE = text(
    """update core_job set state = 'queued', leased_until = null, run_at = :run_at, error = :error,
        failures = failures + :counted
    where id = :id and attempt = :attempt and state = 'leased' returning id"""
)
_GIVE_UP = text(
    """update core_job set state = 'dead', leased_until = null, ended_at = :now, error = :error, failures = failures + 1
    where id = :id and attempt = :attempt and state = 'leased' returning id"""
)
_FIRE = insert(JobRow).on_conflict_do_nothing(index_elements=[JobRow.id])
_COUNT = text(
    """select queue, count(*) filter (where state = 'queued' and run_at <= :now) as waiting,
        count(*) filter (where state = 'dead') as dead
    from core_job where state in ('queued', 'dead') group by queue"""
)


@dataclass(slots=True)
class Lease:
    """A job that this process may work on, under the number of its attempt."""

    id: UUID
    attempt: int
    failures: int
    entry: Entry
    payload: str
    correlation_id: str
    started: bool = False
    taken_at: float = field(default_factory=time.monotonic)

    @property
    def key(self) -> str:
        """Each attempt is a job of its own to arq, which forgets no id for a while."""
        return f"{self.id}:{self.attempt}"


class JobStore:
    def __init__(self, db: Database, clock: Clock, lease_s: float) -> None:
        self.db, self.clock, self.lease_s = db, clock, lease_s
        self._engine = db.engine.execution_options(isolation_level="AUTOCOMMIT")

    async def lease(self, queue: str, entries: Sequence[Entry], most: int) -> list[Lease]:
        """At most `most` due jobs of these handlers, the oldest first; of each key only the first in line."""
        named = {entry.name: entry for entry in entries}
        given = {
            "queue": queue,
            "handlers": list(named),
            "most": most,
            "now": self.clock.now(),
            "lease_s": self.lease_s,
        }
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_LEASE, given)).all()
        return [
            Lease(row.id, row.attempt, row.failures, named[row.handler], row.payload, row.correlation_id)
            for row in sorted(rows, key=lambda row: row.position)
        ]

    async def renew(self, leases: Iterable[Lease]) -> None:
        """What a command has locked just now is left out: nobody can take it either."""
        await self._run(_RENEW, **_ids(leases), lease_s=self.lease_s)

    async def claim(self, lease: Lease) -> bool:
        """Whether it still holds; then it counts from now."""
        return await self._run(_CLAIM, id=lease.id, attempt=lease.attempt, lease_s=self.lease_s) == 1

    async def take_back(self) -> int:
        """Whatever was leased to a worker that no longer renews it."""
        return await self._run(_TAKE_BACK, most_leases=MOST_LEASES, now=self.clock.now())

    async def release(self, leases: Iterable[Lease]) -> None:
        """Leases that were not used: the jobs stand where they stood."""
        await self._run(_RELEASE, **_ids(leases))

    async def postpone(self, lease: Lease, run_at: datetime, error: str, *, counted: bool) -> bool:
        """False where the lease was lost meanwhile."""
        given = {"id": lease.id, "attempt": lease.attempt, "run_at": run_at, "error": error, "counted": int(counted)}
        return await self._run(_POSTPONE, **given) == 1

    async def give_up(self, lease: Lease, error: str) -> bool:
        """False where the lease was lost meanwhile."""
        given = {"id": lease.id, "attempt": lease.attempt, "now": self.clock.now(), "error": error}
        return await self._run(_GIVE_UP, **given) == 1

    async def finish(self, scope: JobScope) -> None:
        """Raises LeaseLost."""
        async with AsyncSession(self.db.engine) as session, session.begin():
            await scope.finish(session)

    async def fire(self, id: UUID, entry: Entry, at: datetime) -> None:
        """A cron's firing, written ahead by every worker under the same id."""
        row = {
            "id": id,
            "queue": entry.handler.queue,
            "handler": entry.name,
            "payload": {},
            "order_key": entry.name,
            "run_at": at,
            "correlation_id": str(id),
            "causation_id": "",
            "created_at": self.clock.now(),
        }
        await self._run(_FIRE, **row)

    async def counts(self) -> list[tuple[str, int, int]]:
        """(queue, could run now, given up)."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_COUNT, {"now": self.clock.now()})
            return [(row.queue, row.waiting, row.dead) for row in rows]

    async def _run(self, statement: Any, **parameters: Any) -> int:
        async with self._engine.connect() as connection:
            return (await connection.execute(statement, parameters)).rowcount


def _ids(leases: Iterable[Lease]) -> dict[str, list[Any]]:
    held = list(leases)
    return {"ids": [lease.id for lease in held], "attempts": [lease.attempt for lease in held]}
