"""Core's own things, done by staff: core knows neither permissions nor an audit log."""

from __future__ import annotations

from uuid import UUID

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.db import Database
from plaza.core.errors import PermissionDenied
from plaza.core.jobs import JobService
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command

RETRY_JOB = "jobs.retry"


class OperationsService(Service):
    def __init__(self, db: Database, jobs: JobService, audit: AuditService) -> None:
        super().__init__(db)
        self.jobs, self.audit = jobs, audit

    @command(PermissionDenied, JobService.retry, AuditService.record)
    async def retry_job(self, actor: Actor, job_id: UUID) -> ServiceResult[None]:
        if not actor.may(RETRY_JOB):
            return failure(PermissionDenied())
        (await self.jobs.retry(job_id)).unwrap()
        entry = AuditEntry(action="core.job_retried", subject_type="job", subject_id=str(job_id), actor=actor)
        (await self.audit.record(entry)).unwrap()
        return success(None)
