"""Spans and error reports, as a collector and Sentry receive them from a real `plaza serve`."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.command_line import CommandLine
from tests.support.processes import Installation
from tests.support.servers import TestServers

SERVER = Span.SpanKind.SPAN_KIND_SERVER


class Collector(ThreadingHTTPServer):
    """Takes whatever is posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.url = f"127.0.0.1:{self.server_address[1]}"
        self.taken: list[tuple[str, bytes]] = []

    @property
    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for path, body in self.taken if path == "/v1/traces"]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def reports(self) -> list[dict[str, Any]]:
        """Sentry's events: the second line of an envelope's item."""
        envelopes = [body.split(b"\n") for path, body in self.taken if path.startswith("/api/1/envelope")]
        return [
            json.loads(payload)
            for lines in envelopes
            for head, payload in zip(lines[1::2], lines[2::2], strict=False)
            if json.loads(head)["type"] == "event"
        ]


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.taken.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


async def test_spans_and_reports_leave_before_the_process_does(
    servers: TestServers, collector: Collector, tmp_path: Path
) -> None:
    url = await servers.another_database("traced")
    telemetry = {
        "PLAZA_OTLP_ENDPOINT": f"http://{collector.url}/",
        "PLAZA_SENTRY_DSN": f"http://key@{collector.url}/1",
        "OTEL_BSP_SCHEDULE_DELAY": "3600000",  # milliseconds: only the end of the process can send them
    }
    async with Installation(tmp_path, url, servers.redis_url) as plaza:
        api = await plaza.api(**telemetry)
        client = await plaza.client(api)
        keys = "/.well-known/jwks.json"
        assert (await client.get(keys, headers={"Host": "health.example"})).status_code == 200
        assert (await client.get("/health")).status_code == 200
        link = {"expires": "1", "filename": "hidden-7.zip", "signature": "hidden-7"}
        forged = await client.get("/storage/exports/1.zip", params=link)
        assert (forged.status_code, forged.json()["code"]) == (403, "LINK_INVALID"), (
            "the application has read the query"
        )
        user = "/api/v1/auth/users/0198a9b0-0000-7000-8000-000000000000"
        assert (await client.get(user, headers={"X-Request-ID": "refused-7"})).status_code == 401
        await _break(url)
        login = await client.post(
            "/api/v1/auth/login",
            json={"identifier": "ada@example.com", "password": "correct horse"},
            headers={"X-Request-ID": "broken-7"},
        )
        assert (login.status_code, login.json()["code"]) == (500, "INTERNAL_ERROR")
        await api.stop()

    spans = {span.name: span for span in collector.spans}
    (request, *_) = requests = [span for span in collector.spans if span.kind == SERVER]
    assert [span.name for span in requests] == [
        f"GET {keys}",
        "GET /storage/{key}",
        "GET /api/v1/auth/users/{user_id}",
        "POST /api/v1/auth/login",
    ]
    assert "plaza.correlation_id" in {each.key for each in request.attributes}
    statements = [span for span in collector.spans if span.parent_span_id == request.span_id]
    assert any("identity_signing_key" in str(span.attributes) for span in statements), sorted(spans)
    assert not [span for span in collector.spans if "health" in span.name]
    assert "/storage/exports/1.zip" in str(requests[1].attributes)
    assert "hidden-7" not in str(collector.spans), "a query holds signatures, codes and addresses"

    (report,) = collector.reports
    assert report["tags"]["correlation_id"] == "broken-7"
    assert report["tags"]["event"] == "request_failed"
    (*_, error) = report["exception"]["values"]
    assert error["type"] == "ProgrammingError"
    assert not [frame for frame in error["stacktrace"]["frames"] if "vars" in frame], "locals may hold secrets"
    assert "correct horse" not in str(report)
    assert "sys.argv" not in str(report), "`users create` has a password there"


async def _break(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("alter table identity_user rename to elsewhere"))
    await engine.dispose()


async def test_what_is_logged_as_an_error_and_what_ends_a_process_is_reported(
    collector: Collector, tmp_path: Path
) -> None:
    script = f"""
import logging
import structlog
from plaza.core.correlation import correlated
from plaza.core.settings import PlazaSettings
from plaza.core.telemetry.logging import LoggingSettings, configure_logging
from plaza.core.telemetry.reports import configure_reports

configure_logging(LoggingSettings(format="json"), "worker")
flush = configure_reports(PlazaSettings(sentry_dsn="http://key@{collector.url}/1"))
log = structlog.get_logger("plaza.core.service")
with correlated("frame-7"):
    log.error("undeclared_failure", method="Shelf.take", code="TOY_BUSY")
    log.warning("unavailable")
logging.getLogger("library").error("cannot %s", "dance")
try:
    raise LookupError("no such toy")
except LookupError as error:
    log.error("job_dead", exc_info=error)
    logging.getLogger("library").exception("again")
flush()
raise SystemError("the end")
"""
    ended = await CommandLine(tmp_path).python("-c", script)
    assert ended.status == 1
    assert "Logging error" not in ended.err
    told = [
        (report.get("message") or report["exception"]["values"][-1]["type"], report.get("tags", {}).get("event"))
        for report in collector.reports
    ]
    # The same exception is one report, however often it is logged.
    assert told[:3] == [
        ("undeclared_failure", "undeclared_failure"),
        ("cannot dance", "cannot dance"),
        ("LookupError", "job_dead"),
    ]
    first = collector.reports[0]
    assert first["tags"]["correlation_id"] == "frame-7"
    assert first["contexts"]["fields"] == {"method": "Shelf.take", "code": "TOY_BUSY", "process": "worker"}
    assert told[3:] == [("SystemError", None)]


async def test_without_them_neither_sdk_is_imported(database_url: str, redis_url: str, tmp_path: Path) -> None:
    plaza = CommandLine(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url)
    started = """
import asyncio, sys
from plaza.app.configuration import load
from plaza.app.runtime import Runtime
from plaza.app.server import create_app

async def main():
    runtime = Runtime(load(), "api")
    create_app(runtime)
    async with runtime.running("api"):
        print({"plaza", "opentelemetry.sdk", "sentry_sdk"} & set(sys.modules))

asyncio.run(main())
"""
    ended = await plaza.python("-c", started)
    assert (ended.status, ended.out) == (0, "{'plaza'}\n"), ended.err
