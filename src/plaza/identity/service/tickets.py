"""Tickets: how a browser, which cannot set headers there, opens a socket without a token in the address."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import Unauthenticated, Unavailable
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, flow
from plaza.identity.gateways import TicketStore
from plaza.identity.schemas import IdentitySettings, StoredTicket, Ticket
from plaza.identity.service.watch import SessionWatch


class TicketService(Service):
    def __init__(
        self, db: Database, clock: Clock, settings: IdentitySettings, store: TicketStore, watch: SessionWatch
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.store, self.watch = clock, settings, store, watch

    @flow(Unavailable)
    async def issue(self, actor: Actor) -> ServiceResult[Ticket]:
        ticket, seconds = secrets.token_urlsafe(32), self.settings.ticket_s
        expires_at = self.clock.now() + timedelta(seconds=seconds)
        await self.store.put(_hash(ticket), StoredTicket(actor=actor, expires_at=expires_at), seconds)
        return success(Ticket(ticket=ticket, expires_in=seconds))

    @flow(Unauthenticated, Unavailable)
    async def redeem(self, ticket: str) -> ServiceResult[Actor]:
        """Once, and only while the session that asked for it lasts."""
        stored = await self.store.take(_hash(ticket))
        if stored is None or stored.expires_at <= self.clock.now():
            return failure(Unauthenticated("This ticket is unknown, too old or was used before."))
        session_id = stored.actor.session_id
        if session_id is None or await self.watch.has_ended(session_id):
            return failure(Unauthenticated("This session has ended."))
        return success(stored.actor)


def _hash(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
