"""Who may open a socket, what it may resume, and what ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from plaza.chat.errors import ConversationNotFound, MessageNotFound
from plaza.chat.frames import SessionRevoked
from plaza.chat.repository import BlockRepository, ChangeRepository, ParticipantRepository
from plaza.chat.service.access import ENTRANCE, Entrance, refusal
from plaza.chat.service.log import encode
from plaza.core.actor import Actor
from plaza.core.db import Database
from plaza.core.errors import InsufficientScope, InvalidCursor, RateLimited, Unauthenticated, Waitlisted
from plaza.core.realtime import Hub, Positions
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, flow, query
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity import CallerService, SessionWatch, StaleWatch, TicketService, TokenStale


class Start(NamedTuple):
    """Where a stream stands in each conversation, which of them it resumes (last seq, seq after which), and which it has lost."""

    positions: Mapping[UUID, int]
    wanted: Mapping[UUID, tuple[int, int]]
    gone: list[ConversationId]


class SocketService(Service):
    def __init__(
        self,
        db: Database,
        hub: Hub,
        tickets: TicketService,
        callers: CallerService,
        watch: SessionWatch,
        stale: StaleWatch,
    ) -> None:
        super().__init__(db)
        self.hub, self.tickets, self.callers, self.watch, self.stale = hub, tickets, callers, watch, stale
        self.entrance, self.changes, self.participants = Entrance(db), ChangeRepository(db), ParticipantRepository(db)
        self.blocks = BlockRepository(db)
        watch.on_end(hub.end_session)
        watch.on_revoked(self._tell_revoked)
        stale.on_waitlisted(lambda user_id: hub.turn_out(user_id, Waitlisted.code))

    @flow(TicketService.redeem)
    async def by_ticket(self, ticket: str) -> ServiceResult[Actor]:
        return await self.tickets.redeem(ticket)

    @flow(Unauthenticated, TokenStale, RateLimited)
    async def by_token(self, token: str) -> ServiceResult[Actor]:
        return success(await self.callers.authenticate(token))

    @query(InsufficientScope, Waitlisted)
    async def admit(self, actor: Actor) -> ServiceResult[None]:
        """Sockets are people's, and not for those who still wait."""
        if actor.session_id is None:
            return failure(InsufficientScope())
        return failure(Waitlisted()) if await self.is_waitlisted(actor) else success(None)

    async def is_waitlisted(self, actor: Actor) -> bool:
        """Also since the token or ticket was issued. To be asked again once the hub knows the socket, like `has_ended`."""
        return actor.waitlisted_until is not None or await self.stale.is_newly_waitlisted(actor.user_id)

    async def has_ended(self, actor: Actor) -> bool:
        """To be asked once the hub knows the socket: from then on it closes it by itself."""
        return actor.session_id is not None and await self.watch.has_ended(SessionId(actor.session_id))

    async def _tell_revoked(self, user_id: UserId, session_id: SessionId) -> None:
        await self.hub.to_users([user_id], encode(SessionRevoked(session_id=session_id)))

    @query(*ENTRANCE)
    async def enter(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[None]:
        await self.entrance.check(conversation_id, actor.user_id)
        return success(None)

    @query(*ENTRANCE, MessageNotFound)
    async def place_of(self, actor: Actor, message_id: MessageId) -> ServiceResult[ConversationId]:
        """The conversation of a message. To a stranger neither exists."""
        conversation_id = await self.changes.conversation_of(message_id)
        if conversation_id is None:
            raise MessageNotFound
        try:
            await self.entrance.check(conversation_id, actor.user_id)
        except ConversationNotFound as error:
            raise MessageNotFound from error
        return success(conversation_id)

    @query(InsufficientScope, Waitlisted, InvalidCursor)
    async def starting(self, actor: Actor, last_event_id: str | None) -> ServiceResult[Start]:
        """For a stream of server-sent events. One that was joined since the last id is told from its joining on."""
        (await self.admit(actor)).unwrap()
        heads = await self.hub.log.topics_of(actor.user_id)
        if last_event_id is None:
            return success(Start(positions=heads, wanted={}, gone=[]))
        known = Positions.read(last_event_id)
        new = [each for each in heads if each not in known]
        entered = await self.participants.entered(actor.user_id, new) if new else {}
        after = {id: min(known.get(id, entered.get(id, 0)), head) for id, head in heads.items()}
        return success(
            Start(
                positions=after,
                wanted={id: (heads[id], seq) for id, seq in after.items()},
                gone=[ConversationId(id) for id in known if id not in heads],
            )
        )

    @query()
    async def is_heard(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[bool]:
        """Whether the others are told that this one types there: whoever is out, or parted from the other by a block, is not heard."""
        standing = await self.participants.standing(conversation_id, actor.user_id)
        return success(refusal(standing) is None and not await self.blocks.parts(conversation_id))

    @query(*ENTRANCE)
    async def positions(
        self, actor: Actor, wanted: Mapping[ConversationId, int | None]
    ) -> ServiceResult[dict[UUID, tuple[int, int]]]:
        """Of each conversation its last seq, and the one after which to resume: the last, too, where none is named."""
        heads = await self.hub.log.topics_of(actor.user_id)
        for conversation_id in wanted:
            if conversation_id not in heads:
                await self.entrance.check(conversation_id, actor.user_id)
                raise ConversationNotFound
        return success({id: (heads[id], heads[id] if after is None else after) for id, after in wanted.items()})
