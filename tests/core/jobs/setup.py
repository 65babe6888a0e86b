"""The parts of a process that has only the probe, in the test or in a worker of its own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from plaza.core.clock import Clock
from plaza.core.composition import Parts
from plaza.core.crypto import Vault
from plaza.core.db import Base, Cursors, Database, Listener
from plaza.core.idempotency import StoredResult
from plaza.core.jobs import Jobs, JobSettings
from plaza.core.jobs.models import JobRow, JobStep
from plaza.core.settings import PlazaSettings

from .probe import TABLES, context

LEASE_S = 2.0


def compose(database_url: str, redis_url: str, clock: Clock, **jobs: Any) -> Jobs:
    db, vault = Database(database_url), Vault("probe")
    given = {
        Database: db,
        Listener: Listener(database_url),
        Clock: clock,
        Vault: vault,
        Cursors: Cursors(vault.key("cursors")),
        PlazaSettings: PlazaSettings(redis_url=redis_url, drain_s=30),
        JobSettings: JobSettings(**{"lease_s": LEASE_S, "poll_s": 0.2, **jobs}),
    }
    made = Jobs(Parts.compose(given, [context]))
    db.outbox = made.outbox
    return made


async def empty_tables(db: Database) -> None:
    tables: Any = [JobRow.__table__, JobStep.__table__, StoredResult.__table__]
    async with db.engine.begin() as connection:
        await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables))
        for statement in TABLES:
            await connection.execute(text(statement))
        await connection.execute(text("truncate core_job, core_job_step, core_idempotency, test_effect, test_call"))
