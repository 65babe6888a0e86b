"""Taking one's data along, and pausing. Leaving for good is `DELETE user`."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.core.actor import Actor
from plaza.core.http import CREDENTIALS, STEP_UP, limited
from plaza.identity.controllers.parts import PREFIX
from plaza.identity.schemas import DeactivateInput, ExportView
from plaza.identity.service import ExportService, LeavingService


class LeavingController(Controller):
    path = PREFIX
    tags = ("leaving",)
    opt = CREDENTIALS
    leaving: LeavingService
    exports: ExportService

    @post("/deactivate", status_code=204, opt=STEP_UP)
    async def deactivate(self, actor: NamedDependency[Actor], data: JSONBody[DeactivateInput]) -> None:
        """Ends every session; the data stays. Staff opens the account again."""
        (await self.leaving.deactivate(actor, data)).unwrap()

    @post("/exports", status_code=202, opt=limited("exports", "10/day"))
    async def export(self, actor: NamedDependency[Actor]) -> ExportView:
        """Has a zip of the caller's data made. While one is being made, that one is the answer."""
        return (await self.exports.request(actor)).unwrap()

    @get("/exports/{export_id:uuid}")
    async def get_export(self, actor: NamedDependency[Actor], export_id: FromPath[UUID]) -> Response[ExportView]:
        view = (await self.exports.view(actor, export_id)).unwrap()
        return Response(view, headers={"Cache-Control": "no-store"})
