"""How contexts declare what runs in the worker: `@job`, `@handles`, `@cron`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from arq.cron import next_cron

from plaza.core.messages import DomainEvent
from plaza.core.result import ServiceResult

Work = Callable[..., Awaitable[ServiceResult[Any]]]

ATTEMPTS = 5
TIMEOUT_S = 30.0
OUTSIDE_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """In UTC. Every field is a number, a set of numbers or None for each; what is left out below the largest given field is 0."""

    month: int | set[int] | None = None
    day: int | set[int] | None = None
    weekday: int | set[int] | None = None  # 0 is Monday
    hour: int | set[int] | None = None
    minute: int | set[int] | None = None
    second: int | set[int] | None = 0

    def after(self, moment: datetime) -> datetime:
        """The first firing after this moment."""
        whole = moment.astimezone(UTC).replace(microsecond=0)
        found: datetime = next_cron(
            whole,
            month=self.month,
            day=self.day,
            weekday=self.weekday,
            hour=self.hour,
            minute=self.minute,
            second=self.second,
            microsecond=0,
        )
        return found

    @classmethod
    def of(cls, **fields: int | set[int] | None) -> Schedule:
        """`hour=3` means 03:00, not every minute of that hour; `day=1` means its midnight."""
        given = {name: value for name, value in fields.items() if value is not None}
        if not given:
            raise ValueError("a cron needs a time: name at least one of month, day, weekday, hour, minute, second")
        for finer, coarser in (("hour", ("month", "day", "weekday")), ("minute", ("month", "day", "weekday", "hour"))):
            if finer not in given and any(name in given for name in coarser):
                given[finer] = 0
        return cls(**given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A function of a context's jobs.py or event_handlers.py with how it is to be run. Calling it calls the function."""

    fn: Work
    queue: str
    attempts: int
    outside: bool
    timeout: timedelta
    pauses: tuple[timedelta, ...] = ()
    event: type[DomainEvent] | None = None
    schedule: Schedule | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Awaitable[ServiceResult[Any]]:
        return self.fn(*args, **kwargs)


def job(
    *,
    queue: str = "default",
    attempts: int = ATTEMPTS,
    pauses: Sequence[timedelta] = (),
    outside: bool = False,
    timeout_s: float | None = None,
) -> Callable[[Work], Handler]:
    """The one handler of a payload type: its first parameter's annotation; the others are filled by type.

    It calls exactly one command, in whose transaction the job is marked done; or, with `outside=True`, a flow, whose commands are
    steps that a retry does not run again. A refusal ends the job unless it says when to come again (`retry_after`); an exception is
    tried again, `attempts` times in all, after pauses that double from two seconds on; or after each of the `pauses`, where they are
    given in place of `attempts`. A try during which PostgreSQL or Redis was away does not count. `timeout_s` limits one try.
    """

    def declare(fn: Work) -> Handler:
        return Handler(
            fn=fn,
            queue=queue,
            attempts=1 + len(pauses) if pauses else attempts,
            pauses=tuple(pauses),
            outside=outside,
            timeout=_timeout(timeout_s, outside),
        )

    return declare


def handles(
    event: type[DomainEvent],
    *,
    queue: str = "default",
    attempts: int = ATTEMPTS,
    outside: bool = False,
    timeout_s: float | None = None,
) -> Callable[[Work], Handler]:
    """A reaction to a domain event, in order per aggregate; otherwise as `job`."""

    def declare(fn: Work) -> Handler:
        return Handler(
            fn=fn, queue=queue, attempts=attempts, outside=outside, timeout=_timeout(timeout_s, outside), event=event
        )

    return declare


def cron(
    *,
    month: int | set[int] | None = None,
    day: int | set[int] | None = None,
    weekday: int | set[int] | None = None,
    hour: int | set[int] | None = None,
    minute: int | set[int] | None = None,
    second: int | set[int] | None = None,
    queue: str = "default",
    attempts: int = ATTEMPTS,
    outside: bool = False,
    timeout_s: float | None = None,
) -> Callable[[Work], Handler]:
    """Work at fixed times (UTC), each firing once however many workers run; one that was missed runs once when a worker is back."""
    schedule = Schedule.of(month=month, day=day, weekday=weekday, hour=hour, minute=minute, second=second)

    def declare(fn: Work) -> Handler:
        return Handler(
            fn=fn,
            queue=queue,
            attempts=attempts,
            outside=outside,
            timeout=_timeout(timeout_s, outside),
            schedule=schedule,
        )

    return declare


def _timeout(given: float | None, outside: bool) -> timedelta:
    return timedelta(seconds=given or (OUTSIDE_TIMEOUT_S if outside else TIMEOUT_S))
