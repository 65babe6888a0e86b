"""Which sessions have ended: known in every process within a second, without a read per request and without Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from plaza.core.clock import Clock
from plaza.core.db import Database, Listener
from plaza.domain_events.identity import SessionId
from plaza.identity.repository import SessionRepository
from plaza.identity.repository.sessions import ENDED_CHANNEL
from plaza.identity.schemas import IdentitySettings

OnEnd = Callable[[SessionId], None]


class SessionWatch:
    """The ended sessions of which an access token could still be alive.

    The revoking transaction notifies; whatever was missed is read at the first question and each time the listener connects anew.
    """

    # An access token may outlive its session by its own life, and clocks differ a little.
    SLACK = timedelta(minutes=1)

    def __init__(self, db: Database, clock: Clock, settings: IdentitySettings, listener: Listener) -> None:
        self.clock, self.sessions = clock, SessionRepository(db)
        self._kept = timedelta(seconds=settings.access_token_s) + self.SLACK
        self._ended: dict[UUID, datetime] = {}
        self._callbacks: list[OnEnd] = []
        self._loaded = False
        self._loading = asyncio.Lock()
        listener.on(ENDED_CHANNEL, self._heard, on_connect=self.load)

    def on_end(self, callback: OnEnd) -> None:
        """`callback` gets each session that ends anywhere, once in this process. It must not block."""
        self._callbacks.append(callback)

    async def has_ended(self, session_id: UUID) -> bool:
        if not self._loaded:
            async with self._loading:
                if not self._loaded:
                    await self.load()
        return session_id in self._ended

    async def load(self) -> None:
        now = self.clock.now()
        found = await self.sessions.ended_since(now - self._kept)
        self._ended = {each: at for each, at in self._ended.items() if at > now - self._kept}
        self._loaded = True
        for session_id, at in found:
            self._end(session_id, at)

    def end(self, ids: Iterable[SessionId]) -> None:
        """What this process ended itself need not come back over the wire first."""
        for session_id in ids:
            self._end(session_id, self.clock.now())

    def _heard(self, payload: str) -> None:
        self.end(SessionId(UUID(each)) for each in payload.split(","))

    def _end(self, id: SessionId, at: datetime) -> None:
        if id in self._ended:
            return
        self._ended[id] = at
        for callback in self._callbacks:
            callback(id)
