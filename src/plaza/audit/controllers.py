"""`/api/v1/admin/audit`: staff look things up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from plaza.audit.schemas import AuditEntryView, AuditFilter
from plaza.audit.service import AuditService
from plaza.core.db import Page, PageRequest
from plaza.core.http import Permission, permission

READ = Permission("audit.read", "Search the audit log")

Name = Annotated[str | None, QueryParameter(max_length=200)]
Since = Annotated[datetime | None, QueryParameter(name="from")]
Until = Annotated[datetime | None, QueryParameter(name="to")]


class AuditController(Controller):
    path = "/api/v1/admin/audit"
    tags = ("audit",)
    audit: AuditService

    @get(opt=permission(READ.name))
    async def search(
        self,
        page: NamedDependency[PageRequest],
        actor_id: FromQuery[UUID | None] = None,
        user_id: FromQuery[UUID | None] = None,
        subject_type: Name = None,
        subject_id: Name = None,
        action: Name = None,
        since: Since = None,
        until: Until = None,
    ) -> Page[AuditEntryView]:
        """The latest first. `actor_id` did it, `user_id` is whose account it concerns; `from` is part of the span, `to` is not."""
        wanted = AuditFilter(
            actor_id=actor_id,
            user_id=user_id,
            subject_type=subject_type,
            subject_id=subject_id,
            action=action,
            since=since,
            until=until,
        )
        return (await self.audit.search(wanted, page)).unwrap()
