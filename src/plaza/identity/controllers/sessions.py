"""A person's own sessions."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, delete, get, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.http import CREDENTIALS
from plaza.domain_events.identity import SessionId
from plaza.identity.controllers.parts import PREFIX
from plaza.identity.schemas import (
    SessionPatch,
    SessionView,
)
from plaza.identity.service import (
    SessionService,
)


class SessionController(Controller):
    path = f"{PREFIX}/sessions"
    tags = ("sessions",)
    opt = CREDENTIALS
    sessions: SessionService

    @get("/")
    async def live(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[SessionView]:
        return (await self.sessions.live(actor, page)).unwrap()

    @patch("/{session_id:uuid}")
    async def rename(
        self, actor: NamedDependency[Actor], session_id: FromPath[UUID], data: JSONBody[SessionPatch]
    ) -> SessionView:
        return (await self.sessions.rename(actor, SessionId(session_id), data.name)).unwrap()

    @delete("/{session_id:uuid}")
    async def end(self, actor: NamedDependency[Actor], session_id: FromPath[UUID]) -> None:
        (await self.sessions.end(actor, SessionId(session_id))).unwrap()
