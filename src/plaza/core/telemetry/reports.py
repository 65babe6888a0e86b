"""Sentry where PLAZA_SENTRY_DSN is set, told of whatever is logged as an error; without it the SDK is not imported."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

from plaza.core.correlation import correlation_id
from plaza.core.settings import PlazaSettings

_FLUSH_S = 2
# Told elsewhere in the event, or about the line rather than about what happened.
_NOT_FIELDS = ("event", "exc_info", "correlation_id", "logger", "level", "timestamp")


def configure_reports(settings: PlazaSettings) -> Callable[[], object] | None:
    """After logging is configured. Answers what sends the reports that still wait: it blocks, and is called at the end of the process."""
    if not settings.sentry_dsn:
        return None
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration

    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        environment=settings.env,
        send_default_pii=False,
        include_local_variables=False,  # passwords and tokens lie there
        max_request_body_size="never",
        # Those that turn themselves on report every refusal, read bodies before the guard, and send the command line, where
        # `users create` has a password.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[DedupeIntegration(), ExcepthookIntegration(), AtexitIntegration(callback=lambda *_: None)],
    )
    logging.getLogger().addHandler(Reporter(logging.ERROR))
    return lambda: sentry_sdk.flush(timeout=_FLUSH_S)


class Reporter(logging.Handler):
    """A report per line: its exception, else its text; its other fields beside it."""

    def emit(self, record: logging.LogRecord) -> None:
        import sentry_sdk

        # structlog hands its lines over as dictionaries, other libraries format theirs.
        entry: dict[str, Any] = (
            record.msg if isinstance(record.msg, dict) else {"event": record.getMessage(), "exc_info": record.exc_info}
        )
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("correlation_id", entry.get("correlation_id") or correlation_id())
            scope.set_tag("logger", record.name)
            scope.set_tag("event", entry["event"])
            scope.set_context("fields", {name: value for name, value in entry.items() if name not in _NOT_FIELDS})
            error = _exception(entry.get("exc_info"))
            if error is not None:
                scope.capture_exception(error)
            else:
                scope.capture_message(str(entry["event"]), level="error")


def _exception(given: Any) -> BaseException | None:
    """`exc_info` in each of its spellings."""
    if given is True:
        return sys.exc_info()[1]
    error = given[1] if isinstance(given, tuple) else given
    return error if isinstance(error, BaseException) else None
