"""What each has read. A marker per participant; how much is unread is derived from it whenever somebody asks, and so agrees everywhere."""

from __future__ import annotations

from plaza.chat.errors import NotParticipant
from plaza.chat.frames import ReadUpdated, UnreadChanged
from plaza.chat.repository import ParticipantRepository
from plaza.chat.schemas import ReadState, SeqMarker, UnreadSummary
from plaza.chat.service.access import ENTRANCE, refusal
from plaza.chat.service.announcing import Announcer
from plaza.core.actor import Actor
from plaza.core.db import Database
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, query
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId


class ReadingService(Service):
    def __init__(self, db: Database, hub: Hub) -> None:
        super().__init__(db)
        self.participants, self.announcer = ParticipantRepository(db), Announcer(db, hub)

    @command(*ENTRANCE)
    async def read(self, actor: Actor, conversation_id: ConversationId, marker: SeqMarker) -> ServiceResult[ReadState]:
        """Up to and with this seq, at most to the last one. The marker only rises; everybody in the conversation is told.

        Of two people whom a block parts, none hears of the other.
        """
        is_open = await self.participants.raise_marker(conversation_id, actor.user_id, marker.seq)
        state = await self._state(actor, conversation_id)
        if is_open is None:
            return success(state)
        if is_open:
            read = ReadUpdated(
                conversation_id=conversation_id, user_id=UserId(actor.user_id), up_to=state.last_read_seq
            )
            self.announcer.to_topic(conversation_id, read)
        self._tell_own_devices(actor, state)
        return success(state)

    @command(*ENTRANCE)
    async def mark_unread(
        self, actor: Actor, conversation_id: ConversationId, marker: SeqMarker
    ) -> ServiceResult[ReadState]:
        """Sets the marker back to this seq, so that what follows it counts as unread again. Only the reader's own devices are told."""
        has_moved = await self.participants.lower_marker(conversation_id, actor.user_id, marker.seq)
        state = await self._state(actor, conversation_id)
        if has_moved:
            self._tell_own_devices(actor, state)
        return success(state)

    @query()
    async def summary(self, actor: Actor) -> ServiceResult[UnreadSummary]:
        badges = await self.participants.badges(actor.user_id)
        return success(
            UnreadSummary(
                unread=sum(each.unread for each in badges),
                mentions=sum(each.mentions for each in badges),
                conversations=badges,
            )
        )

    async def _state(self, actor: Actor, conversation_id: ConversationId) -> ReadState:
        state = await self.participants.read_state(conversation_id, actor.user_id)
        if state is None:
            raise refusal(await self.participants.standing(conversation_id, actor.user_id)) or NotParticipant()
        return state

    def _tell_own_devices(self, actor: Actor, state: ReadState) -> None:
        self.announcer.to_users(
            [actor.user_id],
            UnreadChanged(conversation_id=state.conversation_id, unread=state.unread, mentions=state.mentions),
            about=state.conversation_id,
        )
