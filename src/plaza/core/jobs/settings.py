"""PLAZA_JOBS_*."""

from __future__ import annotations

import msgspec


class JobSettings(msgspec.Struct, frozen=True):
    """`concurrency` is per queue and worker. `lease_s` is how long a killed worker's jobs wait for another."""

    concurrency: int = 10
    lease_s: float = 8
    poll_s: float = 1
    done_kept_days: float = 3
    dead_kept_days: float = 14

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        if self.lease_s < 2:
            raise ValueError("lease_s must be at least 2")
