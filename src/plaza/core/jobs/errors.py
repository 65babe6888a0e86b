"""What staff can be told about jobs."""

from __future__ import annotations

from plaza.core.result import DomainError


class JobNotFound(DomainError):
    """There is no such job, or it was purged."""

    code, status = "JOB_NOT_FOUND", 404


class JobNotDead(DomainError):
    """Only a job that was given up can be retried."""

    code, status = "JOB_NOT_DEAD", 409
