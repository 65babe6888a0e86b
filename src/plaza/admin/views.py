"""Views of core's own tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from plaza.admin.service import RETRY_JOB, OperationsService
from plaza.core.actor import Actor
from plaza.core.admin import Action, AdminView, Column
from plaza.core.http import Permission
from plaza.core.jobs.models import JobRow, JobState
from plaza.core.result import ServiceResult

READ_JOBS = Permission("jobs.read", "See jobs and dead letters, without what they carry", ("manager", "support"))
RETRY_JOBS = Permission(RETRY_JOB, "Retry jobs that were given up", ("manager",))

# Without payload and event: they are the business of the handler, and may hold what people wrote.
_JOBS = select(
    JobRow.id,
    JobRow.handler,
    JobRow.queue,
    JobRow.state,
    JobRow.attempt,
    JobRow.failures,
    JobRow.order_key,
    JobRow.run_at,
    JobRow.leased_until,
    JobRow.error,
    JobRow.correlation_id,
    JobRow.causation_id,
    JobRow.created_at,
    JobRow.ended_at,
)
_COMMON = (
    Column("handler"),
    Column("queue"),
    Column("attempt", "Attempts"),
    Column("failures", listed=False),
    Column("order_key", "In order with", listed=False),
    Column("error"),
    Column("correlation_id", listed=False),
    Column("causation_id", listed=False),
    Column("created_at", "Created"),
)


async def retry(actor: Actor, row: Any, operations: OperationsService) -> ServiceResult[None]:
    return await operations.retry_job(actor, row.id)


RETRY = Action(
    name="retry",
    label="Retry",
    run=retry,
    permission=RETRY_JOBS.name,
    asks="The job runs again from now on with all its attempts. What its steps have done already is not done twice.",
    done="The job is queued again.",
    when=lambda row: row.state == JobState.DEAD,
)

JOBS = AdminView(
    name="jobs",
    title="Jobs",
    noun="job",
    group="Operations",
    icon="gears",
    note="What runs in the worker: jobs, reactions to domain events, and firings of crons.",
    permission=READ_JOBS.name,
    rows=_JOBS,
    columns=(
        Column("state", choices=tuple(JobState)),
        *_COMMON,
        Column("run_at", "Runs at", listed=False),
        Column("leased_until", listed=False),
        Column("ended_at", "Ended", listed=False),
    ),
    search=("handler", "correlation_id"),
    actions=(RETRY,),
)

DEAD_JOBS = AdminView(
    name="dead-letters",
    title="Dead letters",
    noun="dead letter",
    group="Operations",
    icon="envelope-circle-check",
    note="Jobs that were given up, until they are purged.",
    permission=READ_JOBS.name,
    rows=_JOBS.where(JobRow.state == JobState.DEAD),
    columns=(*_COMMON, Column("ended_at", "Given up")),
    order=("ended_at",),
    search=("handler", "correlation_id"),
    actions=(RETRY,),
)
