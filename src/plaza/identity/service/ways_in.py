"""Nobody locks themselves out: the last way to log in cannot be removed.

What counts is what would work tomorrow:

    password          with whatever contact the account has
    e-mail            once something that was mailed there came back: magic link and reset reach its owner. An address that so far only
                      an outside provider has vouched for does not count: no mail has ever been seen to arrive (`email_vouched_by`)
    phone             once a code came back from it, as long as this installation can send text messages
    passkey, device key
    linked account    as long as its provider is set up here

A second factor alone is no way in, and an API key belongs to a program.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from plaza.core.actor import Actor
from plaza.core.db import Database, Page
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, query
from plaza.domain_events.identity import UserId
from plaza.identity.errors import LastLoginMethod
from plaza.identity.gateways.oauth import OutsideIssuers, OutsideProviders
from plaza.identity.models import Way
from plaza.identity.repository import UserRepository, WaysInRepository
from plaza.identity.schemas import WayView
from plaza.identity.service.messages import Messages


class WaysIn(Service):
    def __init__(self, db: Database, messages: Messages, providers: OutsideProviders, issuers: OutsideIssuers) -> None:
        super().__init__(db)
        self.messages, self.providers, self.issuers = messages, providers, issuers
        self.users, self.ways = UserRepository(db), WaysInRepository(db)

    @query()
    async def mine(self, actor: Actor) -> ServiceResult[Page[WayView]]:
        """Those that work; all of them on one page."""
        found = [
            WayView(way=way, id=id, provider=provider)
            for way, id, provider in await self.ways.of(UserId(actor.user_id))
            if self._works(way, provider)
        ]
        return success(Page(found, None))

    @command(LastLoginMethod)
    async def check_remains(self, user_id: UserId, *, without: Collection[UUID | Way]) -> ServiceResult[None]:
        """Part of the transaction that removes something; call it before any other row is locked.

        `without` names what goes: the ids of keys and linked accounts, or a kind as a whole. The user's row stays locked until the
        end, so that of two racing removals the second one sees what the first has left.
        """
        await self.users.lock(user_id, deleted=True)
        remaining = [
            way
            for way, id, provider in await self.ways.of(user_id)
            if way not in without and id not in without and self._works(way, provider)
        ]
        return success(None) if remaining else failure(LastLoginMethod())

    def _works(self, way: Way, provider: str | None) -> bool:
        if way is Way.PHONE:
            return self.messages.can_text
        return provider is None or provider in self.providers or provider in self.issuers
