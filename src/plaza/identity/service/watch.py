"""What makes access tokens and API keys worthless before they expire.

Known in every process within a second, without a read per request and without Redis.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from plaza.core.clock import Clock
from plaza.core.db import Database, Listener
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.repository import ApiKeyRepository, SessionRepository, UserRepository
from plaza.identity.repository.api_keys import REVOKED_CHANNEL
from plaza.identity.repository.roles import ROLES_CHANNEL
from plaza.identity.repository.sessions import ENDED_CHANNEL
from plaza.identity.repository.users import STALE_CHANNEL
from plaza.identity.schemas import IdentitySettings

OnEnd = Callable[[SessionId], None]
OnRevoked = Callable[[UserId, SessionId], Awaitable[None]]
OnWaitlisted = Callable[[UserId], None]
Fact = TypeVar("Fact")


class Watch(ABC, Generic[Fact]):
    """Facts by id, as long as an access token that they concern could be alive.

    The transaction that makes one notifies; whatever was missed is read at the first question and each time the listener connects anew.
    """

    # An access token may outlive its session by its own life, and clocks differ a little.
    SLACK = timedelta(minutes=1)

    def __init__(self, channel: str, clock: Clock, settings: IdentitySettings, listener: Listener) -> None:
        self.clock = clock
        self._kept = timedelta(seconds=max(settings.access_token_s, settings.impersonation_s)) + self.SLACK
        self._known: dict[UUID, tuple[Fact, datetime]] = {}
        self._pruned_at = clock.now()
        self._loaded = False
        self._loading = asyncio.Lock()
        listener.on(channel, self._heard, on_connect=self.load)

    @abstractmethod
    async def facts_since(self, since: datetime) -> Mapping[UUID, tuple[Fact, datetime]]:
        """Each with the time since when it holds."""

    @abstractmethod
    def _heard(self, payload: str) -> None:
        """A notification."""

    def _learn(self, id: UUID, fact: Fact, at: datetime) -> None:
        self._known[id] = fact, at
        if self._pruned_at < self.clock.now() - self.SLACK:
            self._prune()

    def _prune(self) -> None:
        self._pruned_at = now = self.clock.now()
        self._known = {id: (fact, at) for id, (fact, at) in self._known.items() if at > now - self._kept}

    async def load(self) -> None:
        found = await self.facts_since(self.clock.now() - self._kept)
        self._prune()
        self._loaded = True
        for id, (fact, at) in found.items():
            self._learn(id, fact, at)

    async def ready(self) -> None:
        if not self._loaded:
            async with self._loading:
                if not self._loaded:
                    await self.load()


class SessionWatch(Watch[None]):
    """The sessions that have ended."""

    def __init__(self, db: Database, clock: Clock, settings: IdentitySettings, listener: Listener) -> None:
        self.sessions = SessionRepository(db)
        self._callbacks: list[OnEnd] = []
        self._tellers: list[OnRevoked] = []
        super().__init__(ENDED_CHANNEL, clock, settings, listener)

    def on_end(self, callback: OnEnd) -> None:
        """`callback` gets each session that ends anywhere, once in this process. It must not block."""
        self._callbacks.append(callback)

    def on_revoked(self, callback: OnRevoked) -> None:
        """`callback` gets each session that this process ended, with the person whose device it was, after the commit."""
        self._tellers.append(callback)

    async def revoked(self, user_id: UserId, session_id: SessionId) -> None:
        for callback in self._tellers:
            await callback(user_id, session_id)

    async def has_ended(self, session_id: UUID) -> bool:
        await self.ready()
        return session_id in self._known

    def end(self, ids: Iterable[SessionId]) -> None:
        """What this process ended itself need not come back over the wire first."""
        for session_id in ids:
            self._learn(session_id, None, self.clock.now())

    async def facts_since(self, since: datetime) -> Mapping[UUID, tuple[None, datetime]]:
        return {session_id: (None, at) for session_id, at in await self.sessions.ended_since(since)}

    def _heard(self, payload: str) -> None:
        self.end(SessionId(UUID(each)) for each in payload.split(","))

    def _learn(self, id: UUID, fact: None, at: datetime) -> None:
        if id in self._known:
            return
        super()._learn(id, fact, at)
        for callback in self._callbacks:
            callback(SessionId(id))


class ApiKeyWatch(Watch[None]):
    """The API keys that were revoked."""

    def __init__(self, db: Database, clock: Clock, settings: IdentitySettings, listener: Listener) -> None:
        self.keys = ApiKeyRepository(db)
        super().__init__(REVOKED_CHANNEL, clock, settings, listener)

    async def is_revoked(self, key_id: UUID) -> bool:
        await self.ready()
        return key_id in self._known

    def revoke(self, key_id: UUID) -> None:
        """What this process revoked itself need not come back over the wire first."""
        self._learn(key_id, None, self.clock.now())

    async def facts_since(self, since: datetime) -> Mapping[UUID, tuple[None, datetime]]:
        return {key_id: (None, at) for key_id, at in await self.keys.revoked_since(since)}

    def _heard(self, payload: str) -> None:
        self.revoke(UUID(payload))


class Standing(NamedTuple):
    """The oldest token version of somebody that still counts."""

    token_version: int
    is_waitlisted: bool


class StaleWatch(Watch[Standing]):
    """The people whose roles or status have changed."""

    def __init__(self, db: Database, clock: Clock, settings: IdentitySettings, listener: Listener) -> None:
        self.users = UserRepository(db)
        self._callbacks: list[OnWaitlisted] = []
        super().__init__(STALE_CHANNEL, clock, settings, listener)

    def on_waitlisted(self, callback: OnWaitlisted) -> None:
        """`callback` gets each person who is put on the waitlist anywhere. It must not block."""
        self._callbacks.append(callback)

    async def is_stale(self, user_id: UUID, token_version: int) -> bool:
        await self.ready()
        known = self._known.get(user_id)
        return known is not None and token_version < known[0].token_version

    async def is_newly_waitlisted(self, user_id: UUID) -> bool:
        """Since a token or ticket that is still good could have been issued; older ones say so themselves."""
        await self.ready()
        known = self._known.get(user_id)
        return known is not None and known[0].is_waitlisted

    def outdate(self, user_id: UserId, token_version: int, is_waitlisted: bool = False) -> None:
        """What this process changed itself need not come back over the wire first."""
        self._learn(user_id, Standing(token_version, is_waitlisted), self.clock.now())

    async def facts_since(self, since: datetime) -> Mapping[UUID, tuple[Standing, datetime]]:
        found = await self.users.outdated_since(since)
        return {user_id: (Standing(version, waits), at) for user_id, version, waits, at in found}

    def _heard(self, payload: str) -> None:
        for each in payload.split(","):
            user_id, version, waits = each.split(":")
            self.outdate(UserId(UUID(user_id)), int(version), waits == "w")

    def _learn(self, id: UUID, fact: Standing, at: datetime) -> None:
        known = self._known.get(id)
        if known is not None and known[0].token_version > fact.token_version:
            return
        super()._learn(id, fact, at)
        if fact.is_waitlisted and (known is None or not known[0].is_waitlisted):
            for callback in self._callbacks:
                callback(UserId(id))


class RoleWatch:
    """Whether what roles allow has changed since somebody looked.

    `changes` only grows. Taken before roles are read, what was read counts as long as it is still the same; a connection that was lost
    counts as a change, as one may have been missed meanwhile.
    """

    def __init__(self, listener: Listener) -> None:
        self.changes = 0
        listener.on(ROLES_CHANNEL, self._heard, on_connect=self.changed)

    async def changed(self) -> None:
        """What this process changed itself need not come back over the wire first."""
        self.changes += 1

    def _heard(self, _: str) -> None:
        self.changes += 1
