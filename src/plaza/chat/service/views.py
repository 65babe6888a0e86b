"""Rows made into what people see. Names come from identity, all of a page at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from plaza.chat.repository import COLUMNS, message_of
from plaza.chat.schemas import ConversationBody, ConversationView, MessageView, MyPart, ParticipantView, Peer
from plaza.domain_events.identity import UserId
from plaza.identity import Card, ProfileService


class Names:
    def __init__(self, profiles: ProfileService) -> None:
        self.profiles = profiles

    async def cards(self, user_ids: Collection[UUID]) -> Mapping[UserId, Card]:
        """Those who are gone are left out."""
        if not user_ids:
            return {}
        return (await self.profiles.cards([UserId(each) for each in user_ids])).unwrap()

    async def conversations(self, rows: Sequence[Row[Any]]) -> list[ConversationView]:
        """From rows of `ConversationRepository.views`."""
        cards = await self.cards({row.peer_id for row in rows if row.peer_id is not None})
        return [_conversation(row, cards) for row in rows]

    async def participants(self, rows: Sequence[Any]) -> list[ParticipantView]:
        """From anything with the attributes of a participant."""
        cards = await self.cards([row.user_id for row in rows])
        return [_participant(row, cards.get(row.user_id)) for row in rows]


def without_personal(view: ConversationView) -> ConversationBody:
    """What everybody in a group may see of it."""
    fields = {name: getattr(view, name) for name in ConversationBody.__struct_fields__}
    last = view.last_message
    return ConversationBody(**{**fields, "last_message": None if last is None else last.body()})


def _conversation(row: Row[Any], cards: Mapping[UserId, Card]) -> ConversationView:
    return ConversationView(
        id=row.id,
        kind=row.kind,
        title=row.title,
        created_by=row.created_by,
        participant_count=row.participant_count,
        slow_mode_s=row.slow_mode_s,
        posting=row.posting,
        last_seq=row.last_seq,
        last_message_at=row.last_message_at,
        last_message=None if row.message_id is None else _last_message(row),
        peer=None if row.peer_id is None else _peer(row.peer_id, cards.get(row.peer_id)),
        created_at=row.created_at,
        my=MyPart(
            role=row.role,
            last_read_seq=row.last_read_seq,
            muted_until=row.muted_until,
            notifications=row.notifications,
            archived_at=row.archived_at,
            unread=row.unread,
            mentions=row.mentions,
        ),
    )


def _last_message(row: Row[Any]) -> MessageView:
    return MessageView.of(message_of(row[-len(COLUMNS) :]), my_reactions=row.my_reactions, saved=row.saved)


def _peer(user_id: UserId, card: Card | None) -> Peer:
    return Peer(
        user_id=user_id,
        display_name="" if card is None else card.display_name,
        avatar_url=None if card is None else card.avatar_url,
    )


def _participant(row: Any, card: Card | None) -> ParticipantView:
    return ParticipantView(
        user_id=row.user_id,
        display_name="" if card is None else card.display_name,
        avatar_url=None if card is None else card.avatar_url,
        role=row.role,
        joined_at=row.joined_at,
        last_read_seq=row.last_read_seq,
    )
