"""Sockets whose session has run out. Nobody ends it, and so nothing tells of it: each process asks about those that it serves."""

from __future__ import annotations

import asyncio

import structlog

from plaza.core.db import Database, is_lost_server, is_overload
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, flow
from plaza.identity import SessionService

log = structlog.get_logger(__name__)


class SocketExpiry(Service):
    LOOKS_EVERY_S = 60

    def __init__(self, db: Database, hub: Hub, sessions: SessionService) -> None:
        super().__init__(db)
        self.hub, self.sessions = hub, sessions

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self.LOOKS_EVERY_S)
            try:
                (await self.look()).unwrap()
            except Exception as error:
                if not (is_lost_server(error) or is_overload(error)):
                    raise
                log.warning("socket_expiry_not_looked_at", error=repr(error))

    @flow(SessionService.live_among)
    async def look(self) -> ServiceResult[None]:
        """Closes what belongs to a session that is over by its idle or absolute limit, or is not kept any more."""
        served = self.hub.sessions()
        for session_id in served - (await self.sessions.live_among(served)).unwrap():
            self.hub.end_session(session_id)
        return success(None)
