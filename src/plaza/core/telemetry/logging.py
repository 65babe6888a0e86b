"""structlog to stderr: JSON lines, or columns on a terminal in development. Correlation ids are on every line."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import msgspec
import structlog

from plaza.core.correlation import causation_id, correlation_id

# Without the frames' locals: a code or a token may lie in one.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
# By way of `logging`, where reports are made of them.
_REPORTED = ("error", "critical")


class LoggingSettings(msgspec.Struct, frozen=True):
    level: str = "info"
    format: str = "auto"  # json, console, or auto: console where stderr is a terminal

    def __post_init__(self) -> None:
        if (
            self.level not in logging.getLevelNamesMapping()
            and self.level.upper() not in logging.getLevelNamesMapping()
        ):
            raise ValueError(f"level must be one of debug, info, warning, error; not {self.level!r}")
        if self.format not in ("auto", "json", "console"):
            raise ValueError(f"format must be auto, json or console; not {self.format!r}")


def configure_logging(settings: LoggingSettings, process: str) -> None:
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())

    def add_process(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        entry["process"] = process
        return entry

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_process,
        _add_correlation,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[Any] = (
        [_TRACEBACKS, structlog.processors.JSONRenderer(serializer=_to_json)]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )

    def finish(logger: Any, method: str, entry: Any) -> Any:
        if method in _REPORTED:
            return structlog.stdlib.ProcessorFormatter.wrap_for_formatter(logger, method, entry)
        for each in final:
            entry = each(logger, method, entry)
        return entry

    structlog.configure(
        processors=[*shared, finish],
        logger_factory=_Lines,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.level.upper()]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "arq.worker", "arq.jobs"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # the edge writes one line per request itself
    logging.getLogger("uvicorn.error").addFilter(_without_query)
    logging.getLogger("uvicorn.error").addFilter(_without_blame)
    logging.getLogger("arq.worker").setLevel(logging.WARNING)  # core.jobs logs its own


class _Lines:
    """Where structlog's lines go: straight to stderr, because `logging` doubles what one of them costs, and one comes with each request."""

    def __init__(self, name: str) -> None:
        self.name = name
        by_way = logging.getLogger(name)
        self.error, self.critical = by_way.error, by_way.critical

    def info(self, line: str) -> None:
        with suppress(OSError, ValueError):  # nobody reads on, or it is closed: that is no reason to fail
            sys.stderr.write(f"{line}\n")

    debug = warning = info


def _without_query(record: logging.LogRecord) -> bool:
    """uvicorn tells of every WebSocket with its whole address: a ticket may lie in it."""
    if isinstance(record.args, tuple) and "WebSocket %s" in str(record.msg):
        record.args = tuple(str(each).partition("?")[0] if n == 1 else each for n, each in enumerate(record.args))
    return True


def _without_blame(record: logging.LogRecord) -> bool:
    """What a client said wrong is no error of ours: uvicorn has closed its WebSocket with 1007."""
    if "Invalid UTF-8" in str(record.msg):
        record.levelno, record.levelname, record.exc_info = logging.INFO, "INFO", None
    return True


def _add_correlation(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if correlation := correlation_id():
        entry.setdefault("correlation_id", correlation)
    if causation := causation_id():
        entry.setdefault("causation_id", causation)
    return entry


def _to_json(entry: Any, **_: Any) -> str:
    try:
        return msgspec.json.encode(entry, enc_hook=repr).decode()
    except (
        UnicodeEncodeError,
        RecursionError,
    ):  # a lone surrogate, a ring: better told in Python's spelling than not at all
        return msgspec.json.encode({name: ascii(value) for name, value in entry.items()}).decode()
