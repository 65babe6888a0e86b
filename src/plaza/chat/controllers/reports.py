"""Reports: made by people, looked at and resolved by staff."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from plaza.chat.models import ReportState
from plaza.chat.schemas.permissions import REPORTS_READ, REPORTS_RESOLVE
from plaza.chat.schemas.reports import NewReport, ReportReceipt, ReportView, Resolution
from plaza.chat.service.reports import ReportService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.http import documented, permission

State = Annotated[ReportState, QueryParameter(name="state")]  # the framework has a use of its own for the name


class ReportController(Controller):
    path = "/api/v1/chat/reports"
    tags = ("chat",)
    reports: ReportService

    @post(responses={200: documented(ReportReceipt, "Reported already, and still open")})
    async def report(self, actor: NamedDependency[Actor], data: JSONBody[NewReport]) -> Response[ReportReceipt]:
        receipt, is_new = (await self.reports.report(actor, data)).unwrap()
        return Response(receipt, status_code=201 if is_new else 200)

    @get(opt=permission(REPORTS_READ.name))
    async def queue(self, page: NamedDependency[PageRequest], wanted: State = ReportState.OPEN) -> Page[ReportView]:
        """The oldest first."""
        return (await self.reports.queue(wanted, page)).unwrap()

    @post("/{report_id:uuid}/resolve", status_code=200, opt=permission(REPORTS_RESOLVE.name))
    async def resolve(
        self, actor: NamedDependency[Actor], report_id: FromPath[UUID], data: JSONBody[Resolution]
    ) -> ReportView:
        return (await self.reports.resolve(actor, report_id, data)).unwrap()
