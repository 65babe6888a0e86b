"""OpenTelemetry where PLAZA_OTLP_ENDPOINT is set; without it the SDK is not imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plaza.core.correlation import correlation_id
from plaza.core.settings import PlazaSettings

_WHOLE = "plaza.scope"
# A collector that does not answer holds up the end of a process for as long.
_EXPORT_TIMEOUT_S = 3


def configure_tracing(settings: PlazaSettings, process: str, engines: Sequence[Any]) -> Callable[[], object] | None:
    """`engines` are SQLAlchemy's asynchronous ones: their statements become spans.

    Answers what sends the spans that still wait: it blocks, and is called at the end of the process.
    """
    if not settings.otlp_endpoint:
        return None
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"plaza-{process}"}))
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_TIMEOUT_S)))
    trace.set_tracer_provider(provider)
    SQLAlchemyInstrumentor().instrument(engines=[engine.sync_engine for engine in engines])
    return provider.shutdown


def traced(app: Any, settings: PlazaSettings) -> Any:
    """An ASGI application whose requests are spans, named by their route: a path would bring ids into the names.

    Sockets are left out: theirs would last for hours, and the ticket stands in their address. The instrumentation sees no query, for
    it would tell the collector: signed links, codes of callbacks and searched addresses stand there.
    """
    if not settings.otlp_endpoint:
        return app
    from opentelemetry import trace
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    async def named(seen: Any, receive: Any, send: Any) -> None:
        scope = seen[_WHOLE]
        span = trace.get_current_span()
        span.set_attribute("plaza.correlation_id", correlation_id())

        async def told(message: Any) -> None:
            if message["type"] == "http.response.start" and (route := scope.get("path_template")):
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", route)
            await send(message)

        await app(scope, receive, told)

    requests = OpenTelemetryMiddleware(
        named,
        default_span_details=lambda scope: (scope["method"], {}),
        excluded_urls="[^/]/health,[^/]/metrics,[^/]/assets/",
        exclude_spans=["receive", "send"],
    )

    async def either(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await requests({**scope, "query_string": b"", _WHOLE: scope}, receive, send)
        else:
            await app(scope, receive, send)

    return either
