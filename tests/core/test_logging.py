"""What operators read: one JSON object per line, whoever logs it."""

from __future__ import annotations

import contextvars
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from plaza.core.correlation import correlated
from plaza.core.crypto import Vault
from plaza.core.settings import Environment
from plaza.core.telemetry.logging import LoggingSettings, configure_logging

SECRET = "hunter2"
_TOUCHED = ("uvicorn", "uvicorn.error", "uvicorn.access", "arq.worker", "arq.jobs")

Configure = Callable[..., None]
Written = Callable[[], str]


@pytest.fixture
def configure(capsys: pytest.CaptureFixture[str]) -> Iterator[Configure]:
    """Logging is the whole process's: everything is put back."""

    def configure(level: str = "info", format: str = "json") -> None:
        configure_logging(LoggingSettings(level=level, format=format), "api")

    structure, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    touched = [
        (each, list(each.handlers), each.propagate, each.disabled, each.level)
        for each in map(logging.getLogger, _TOUCHED)
    ]
    yield configure
    structlog.configure(**structure)
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger, own_handlers, propagate, disabled, own_level in touched:
        logger.handlers[:], logger.propagate, logger.disabled = own_handlers, propagate, disabled
        logger.setLevel(own_level)


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Written:
    return lambda: capsys.readouterr().err


def lines(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def fail(password: str) -> None:
    raise RuntimeError("the lantern fell")


def test_a_line_tells_what_where_when_and_what_set_it_off(configure: Configure, written: Written) -> None:
    configure()
    log = structlog.get_logger("plaza.chat")
    with correlated("request-7", "job-3"):
        log.info("message_sent", seq=4)
    log.warning("alone")
    first, second = lines(written())
    at = datetime.fromisoformat(first.pop("timestamp"))
    assert at.tzinfo == UTC
    assert datetime.now(UTC) - at < timedelta(hours=1)
    assert first == {
        "event": "message_sent",
        "seq": 4,
        "process": "api",
        "logger": "plaza.chat",
        "level": "info",
        "correlation_id": "request-7",
        "causation_id": "job-3",
    }
    assert second["level"] == "warning"
    assert not {"correlation_id", "causation_id"} & second.keys()


def test_libraries_write_the_same_lines(configure: Configure, written: Written) -> None:
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler())
    configure()
    with correlated("request-7"):
        logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    logging.getLogger("uvicorn.access").info("the edge writes this line itself")
    (line,) = lines(written())
    assert (line["event"], line["logger"], line["process"]) == ("Started server process [7]", "uvicorn.error", "api")
    assert line["correlation_id"] == "request-7"


@pytest.mark.parametrize("get_logger", [structlog.get_logger, logging.getLogger])
@pytest.mark.parametrize("format", ["json", "console"])
def test_an_exception_is_told_without_the_locals_of_its_frames(
    configure: Configure, written: Written, get_logger: Callable[[str], Any], format: str
) -> None:
    configure(format=format)
    try:
        fail("".join(reversed("2retnuh")))  # so that it stands in no line of source
    except RuntimeError:
        get_logger("plaza.identity").exception("login_failed")
    told = written()
    assert "RuntimeError" in told
    assert "the lantern fell" in told
    assert "in fail" in told or '"name":"fail"' in told
    assert SECRET not in told
    if format == "json":
        (line,) = lines(told)
        (exception,) = line["exception"]
        assert (exception["exc_type"], exception["frames"][-1]["name"]) == ("RuntimeError", "fail")


def test_a_sealed_field_shows_nothing(configure: Configure, written: Written) -> None:
    configure()
    sealed = Vault("a" * 32).seal(SECRET)
    structlog.get_logger("plaza.notifications").info("delivery_failed", payload={"code": sealed})
    told = written()
    assert [line["event"] for line in lines(told)] == ["delivery_failed"]
    assert SECRET not in told


def test_a_line_of_a_fresh_context_names_the_process_too(configure: Configure, written: Written) -> None:
    """Grouped commands and the hub run in contexts of their own."""
    configure()
    contextvars.Context().run(structlog.get_logger("plaza.core.grouping").error, "undeclared_failure")
    assert [line["process"] for line in lines(written())] == ["api"]


ring: list[Any] = []
ring.append(ring)


@pytest.mark.parametrize("odd", ["\ud800", ring, object()], ids=["surrogate", "ring", "object"])
def test_what_json_has_no_word_for_is_told_all_the_same(configure: Configure, written: Written, odd: object) -> None:
    configure()
    structlog.get_logger("plaza.chat").info("odd", value=odd)
    (line,) = lines(written())
    assert "odd" in line["event"]
    assert line["value"]


class Listening(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.heard: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record)


@pytest.mark.parametrize("format", ["json", "console"])
def test_errors_reach_whoever_listens_to_logging(configure: Configure, written: Written, format: str) -> None:
    """That is how reports are made of them."""
    configure(format=format)
    logging.getLogger().addHandler(listening := Listening(logging.ERROR))
    log = structlog.get_logger("plaza.chat")
    log.warning("warned", seq=1)
    log.error("failed", seq=2)
    assert [(each.name, each.msg["event"], each.msg["seq"]) for each in listening.heard] == [
        ("plaza.chat", "failed", 2)
    ]
    told = written()
    assert len(told.splitlines()) == 2
    assert "warned" in told.splitlines()[0]


def test_nobody_fails_because_nobody_reads_the_log(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    configure()
    reading, writing = os.pipe()
    os.close(reading)
    with monkeypatch.context() as patched, os.fdopen(writing, "w", buffering=1) as unread:
        patched.setattr(sys, "stderr", unread)
        structlog.get_logger("plaza.chat").info("request")
        with pytest.raises(BrokenPipeError):
            unread.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, writing)  # so that it can be closed
        os.close(nowhere)
    structlog.get_logger("plaza.chat").info("request")


@pytest.mark.parametrize("level", ["warning", "WARNING"])
def test_the_level_is_the_least_that_is_written(configure: Configure, written: Written, level: str) -> None:
    configure(level=level)
    log = structlog.get_logger("plaza.chat")
    for say in (log.debug, log.info, log.warning, log.error):
        say("something")
    logging.getLogger("library").info("something")
    assert [line["level"] for line in lines(written())] == ["warning", "error"]


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PLAZA_LOG_LEVEL", "loud", "level must be one of debug, info, warning, error; not 'loud'"),
        ("PLAZA_LOG_FORMAT", "xml", "format must be auto, json or console; not 'xml'"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str, told: str) -> None:
    environment = Environment({variable: value})
    assert environment.section("log", LoggingSettings) is None
    assert environment.wrong == [f"{variable}: {told}"]
