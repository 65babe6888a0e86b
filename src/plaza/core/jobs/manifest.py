"""core as a context of its own: what it runs in the worker."""

from __future__ import annotations

from plaza.core.composition import Context
from plaza.core.jobs.declare import cron
from plaza.core.jobs.service import JobService
from plaza.core.result import ServiceResult


@cron(minute=set(range(0, 60, 5)))
async def purge_jobs(jobs: JobService) -> ServiceResult[int]:
    return await jobs.purge()


@cron(minute=set(range(2, 60, 10)))
async def purge_stored_results(jobs: JobService) -> ServiceResult[None]:
    return await jobs.purge_stored_results()


context = Context(name="core", services=(JobService,), crons=(purge_jobs, purge_stored_results))
