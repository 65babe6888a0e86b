"""Jobs, reactions to domain events, and crons: rows of `core_job`, written in the transaction that wants them done, done exactly once.

declare    @job, @handles, @cron: what contexts write          service    dead letters, retries, purges: what staff and crons call
registry   who handles what                                    scope      ties a handler's commands to its job: fence, steps, done
outbox     rows from what a command published and enqueued     runner     one try of one job
store      leases, in SQL                                      relay      leases for this process, lane: arq behind it
crons      firings, written ahead                              worker     all of it, until the process is told to stop
"""

from plaza.core.jobs.declare import Handler, cron, handles, job
from plaza.core.jobs.errors import JobNotDead, JobNotFound
from plaza.core.jobs.registry import BadHandler, NoHandler, Registry
from plaza.core.jobs.service import DeadJobView, JobService
from plaza.core.jobs.settings import JobSettings
from plaza.core.jobs.worker import Jobs, JobWorker

__all__ = [
    "BadHandler",
    "DeadJobView",
    "Handler",
    "JobNotDead",
    "JobNotFound",
    "JobService",
    "JobSettings",
    "JobWorker",
    "Jobs",
    "NoHandler",
    "Registry",
    "cron",
    "handles",
    "job",
]
