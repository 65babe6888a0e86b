"""Who set this off: ids that every edge sets (request, frame, job, command line) and that logs, problems, events and jobs carry on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from plaza.core.ids import uuid7

_correlation: ContextVar[str] = ContextVar("correlation_id", default="")
_causation: ContextVar[str] = ContextVar("causation_id", default="")
_ACCEPTED = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


def correlation_id() -> str:
    """The id that one outside cause and all that follows from it share; empty outside of any edge."""
    return _correlation.get()


def causation_id() -> str:
    """The job or event that led directly here; empty at the outermost edge."""
    return _causation.get()


def accepted(candidate: str) -> str:
    """A caller's id if it is fit for logs and headers, else a new one."""
    return candidate if _ACCEPTED.fullmatch(candidate) else str(uuid7())


@contextmanager
def correlated(correlation: str | None = None, causation: str = "") -> Iterator[str]:
    correlation = correlation or str(uuid7())
    tokens = _correlation.set(correlation), _causation.set(causation)
    try:
        yield correlation
    finally:
        _correlation.reset(tokens[0])
        _causation.reset(tokens[1])
