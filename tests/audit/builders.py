"""Entries made through the service, and hands that write past it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from plaza.audit import AuditEntry, AuditEntryView, AuditFilter, AuditService, ChainService, Verified
from plaza.core.actor import Actor
from plaza.core.db import PageRequest
from plaza.core.ids import uuid7
from tests.support.stage import Stage


def somebody(**given: Any) -> Actor:
    return Actor(user_id=given.pop("user_id", None) or uuid7(), **given)


async def told(plaza: Stage, actor: Actor | None = None, **given: Any) -> None:
    entry = {"action": "tests.thing_changed", "subject_type": "thing", "subject_id": "1", **given}
    (await plaza[AuditService].record(AuditEntry(actor=actor, **entry))).unwrap()


async def entries(plaza: Stage, limit: int = 100, **wanted: Any) -> list[AuditEntryView]:
    """The latest first."""
    return (await plaza[AuditService].search(AuditFilter(**wanted), PageRequest(limit=limit))).unwrap().items


async def sealed(plaza: Stage) -> int:
    return (await plaza[ChainService].seal_all()).unwrap()


async def verified(plaza: Stage) -> Verified:
    return (await plaza[ChainService].verify()).unwrap()


async def at_position(plaza: Stage, position: int) -> UUID:
    async with plaza.runtime.db.reader.connect() as connection:
        found = await connection.execute(text("select id from audit_entry where position = :p"), {"p": position})
        id: UUID = found.scalar_one()
    return id


@asynccontextmanager
async def tampering(plaza: Stage) -> AsyncIterator[AsyncConnection]:
    """As whoever owns the tables and does not mind the triggers."""
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text("alter table audit_entry disable trigger audit_entry_kept"))
        yield connection
        await connection.execute(text("alter table audit_entry enable trigger audit_entry_kept"))
