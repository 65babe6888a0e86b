"""What staff do with jobs that were given up, and what keeps the table small."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text, tuple_

from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor
from plaza.core.idempotency import KEPT, PURGE
from plaza.core.jobs.errors import JobNotDead, JobNotFound
from plaza.core.jobs.models import JobRow, JobState
from plaza.core.jobs.outbox import NOTIFY
from plaza.core.jobs.settings import JobSettings
from plaza.core.personal_data import Erased, Person, Piece
from plaza.core.result import ServiceResult, success
from plaza.core.schemas import View
from plaza.core.service import Service, command, query

# At the end of the line of its key: what overtook it is not undone.
_RETRY = text(
    """update core_job set state = 'queued', run_at = :now, ended_at = null, failures = 0,
        position = nextval(pg_get_serial_sequence('core_job', 'position'))
    where id = :id and state = 'dead'"""
)
_PURGE = text(
    """delete from core_job where id in (
        select id from core_job where state = :state and ended_at < :before order by ended_at limit :most)"""
)
# No index serves it: a walk through the ended jobs of the last days.
_FORGET = text(
    """delete from core_job where state in ('done', 'dead')
      and exists (select from unnest(cast(:named as text[])) as name where strpos(cast(payload as text), name) > 0)"""
)
_FORGET_RESULTS = text("delete from core_idempotency where caller = :caller")
PURGED_AT_ONCE = 20_000


class DeadJobView(View, frozen=True, kw_only=True):
    """The payload stays out: it is the business of its handler."""

    id: UUID
    name: str
    queue: str
    attempts: int
    error: str
    correlation_id: str
    created_at: datetime
    ended_at: datetime


class JobService(Service):
    def __init__(self, db: Database, clock: Clock, cursors: Cursors, settings: JobSettings) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.settings = clock, cursors, settings

    @query(InvalidCursor)
    async def dead(self, page: PageRequest) -> ServiceResult[Page[DeadJobView]]:
        """The latest first."""
        rows = (
            select(
                JobRow.id,
                JobRow.handler,
                JobRow.queue,
                JobRow.attempt,
                JobRow.error,
                JobRow.correlation_id,
                JobRow.created_at,
                JobRow.ended_at,
            )
            .where(JobRow.state == JobState.DEAD)
            .order_by(JobRow.ended_at.desc(), JobRow.id.desc())
            .limit(page.limit + 1)
        )
        if page.cursor is not None:
            after = self.cursors.read("core.dead_jobs", page.cursor, tuple[datetime, UUID])
            rows = rows.where(tuple_(JobRow.ended_at, JobRow.id) < after)
        async with self.db.reading() as connection:
            found = (await connection.execute(rows)).all()
        items = [
            DeadJobView(
                id=row.id,
                name=row.handler,
                queue=row.queue,
                attempts=row.attempt,
                error=row.error or "",
                correlation_id=row.correlation_id,
                created_at=row.created_at,
                ended_at=row.ended_at,
            )
            for row in found[: page.limit]
        ]
        more = len(found) > page.limit
        return success(
            Page(items, self.cursors.write("core.dead_jobs", (items[-1].ended_at, items[-1].id)) if more else None)
        )

    @command(JobNotFound, JobNotDead)
    async def retry(self, job_id: UUID) -> ServiceResult[None]:
        """From now on with all its attempts again; what its steps had done is not done twice."""
        session = self.db.session
        moved = await (await session.connection()).execute(_RETRY, {"id": job_id, "now": self.clock.now()})
        if not moved.rowcount:
            raise JobNotDead if await session.scalar(select(JobRow.id).where(JobRow.id == job_id)) else JobNotFound
        await session.execute(NOTIFY)
        return success(None)

    @command()
    async def purge(self) -> ServiceResult[int]:
        """Done jobs after some days. Dead ones after more: until then their sealed fields stay, so that they can be retried."""
        connection, purged = await self.db.session.connection(), 0
        for state, days in (
            (JobState.DONE, self.settings.done_kept_days),
            (JobState.DEAD, self.settings.dead_kept_days),
        ):
            before = self.clock.now() - timedelta(days=days)
            given = {"state": state.value, "before": before, "most": PURGED_AT_ONCE}
            purged += (await connection.execute(_PURGE, given)).rowcount
        return success(purged)

    async def export(self, person: Person) -> AsyncIterator[Piece]:
        """Nothing: what passes through here belongs to the contexts, and is gone in days."""
        pieces: tuple[Piece, ...] = ()
        for piece in pieces:
            yield piece

    @command()
    async def erase(self, person: Person) -> ServiceResult[Erased]:
        """Jobs that have ended and name the person or a contact of theirs, and what Idempotency-Keys stored for them."""
        connection = await self.db.session.connection()
        named = [str(person.user_id), *(f'"{contact}"' for contact in person.contacts)]
        jobs = (await connection.execute(_FORGET, {"named": named})).rowcount
        results = (await connection.execute(_FORGET_RESULTS, {"caller": str(person.user_id)})).rowcount
        return success(Erased({"jobs": jobs, "stored_results": results}))

    @command()
    async def purge_stored_results(self) -> ServiceResult[None]:
        """What Idempotency-Keys stored, once they are no longer replayed."""
        await (await self.db.session.connection()).execute(PURGE, {"since": self.clock.now() - KEPT})
        return success(None)
