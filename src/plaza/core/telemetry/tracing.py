"""OpenTelemetry where PLAZA_OTLP_ENDPOINT is set, Sentry where PLAZA_SENTRY_DSN is: without them neither is imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plaza.core.correlation import correlation_id
from plaza.core.settings import PlazaSettings


def configure_tracing(settings: PlazaSettings, process: str, engines: Sequence[Any]) -> None:
    """`engines` are SQLAlchemy's asynchronous ones: their statements become spans."""
    if settings.otlp_endpoint:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=Resource.create({"service.name": f"plaza-{process}"}))
        exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        SQLAlchemyInstrumentor().instrument(engines=[engine.sync_engine for engine in engines])
    if settings.sentry_dsn:
        import sentry_sdk

        sentry_sdk.init(
            dsn=settings.sentry_dsn,
            environment=settings.env,
            send_default_pii=False,
            include_local_variables=False,  # passwords and tokens lie there
            max_request_body_size="never",
            before_send=_tagged,
        )


def traced(app: Any, settings: PlazaSettings) -> Any:
    """An ASGI application whose requests are spans."""
    if not settings.otlp_endpoint:
        return app
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    return OpenTelemetryMiddleware(app, excluded_urls="health,metrics,assets")


def _tagged(event: Any, _: Any) -> Any:
    event.setdefault("tags", {})["correlation_id"] = correlation_id()
    return event
