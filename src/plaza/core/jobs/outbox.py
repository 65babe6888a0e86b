"""What a command published and enqueued, as rows in its own transaction: nothing that matters is sent from memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from plaza.core.clock import Clock
from plaza.core.correlation import causation_id, correlation_id
from plaza.core.ids import uuid7
from plaza.core.jobs.models import JobRow
from plaza.core.jobs.registry import Registry
from plaza.core.messages import DomainEvent, JobRequest

CHANNEL = "core_job"

_INSERT = insert(JobRow)
NOTIFY = text(f"select pg_notify('{CHANNEL}', '')")


class JobOutbox:
    """The `Outbox` of `Database`. An event that nobody handles leaves no row."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self.registry, self.clock = registry, clock

    async def write(self, session: AsyncSession, events: Sequence[DomainEvent], jobs: Sequence[JobRequest]) -> None:
        """The notification is part of the transaction: it goes out with the COMMIT or not at all."""
        rows = [row for event in events for row in self._reactions(event)] + [self._job(request) for request in jobs]
        if rows:
            connection = await session.connection()
            await connection.execute(_INSERT, rows)
            await connection.execute(NOTIFY)

    def _job(self, request: JobRequest) -> dict[str, Any]:
        entry, now = self.registry.job(type(request.payload)), self.clock.now()
        return {
            "id": uuid7(),
            "queue": entry.handler.queue,
            "handler": entry.name,
            "payload": request.payload,
            "event": None,
            "order_key": request.key,
            "run_at": request.at or now,
            "correlation_id": correlation_id(),
            "causation_id": causation_id(),
            "created_at": now,
        }

    def _reactions(self, event: DomainEvent) -> list[dict[str, Any]]:
        if not (entries := self.registry.reactions(type(event))):
            return []
        now, event_id = self.clock.now(), uuid7()
        aggregate_type, aggregate_id = event.aggregate()
        envelope = {
            "event_id": event_id,
            "type": event.name(),
            "version": event.version,
            "occurred_at": now,
            "aggregate_type": aggregate_type,
            "aggregate_id": aggregate_id,
            "organization_id": getattr(event, "organization_id", None),
            "actor_id": getattr(event, "actor_id", None),
        }
        return [
            {
                "id": uuid7(),
                "queue": entry.handler.queue,
                "handler": entry.name,
                "payload": event,
                "event": envelope,
                "order_key": f"{entry.name}/{aggregate_type}/{aggregate_id}",
                "run_at": now,
                "correlation_id": correlation_id(),
                "causation_id": causation_id(),
                "created_at": now,
            }
            for entry in entries
        ]
