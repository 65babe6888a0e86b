"""What is done to messages: edits, reactions, pins."""

from __future__ import annotations

from datetime import datetime

from plaza.core.schemas import Input, View
from plaza.domain_events.identity import UserId


class NewContent(Input, frozen=True, kw_only=True):
    content: str


class NewReaction(Input, frozen=True, kw_only=True):
    emoji: str


class EarlierContent(View, frozen=True, kw_only=True):
    """What the message said before its edit `number`, counted from 1."""

    number: int
    content: str
    edited_at: datetime


class ReactionView(View, frozen=True, kw_only=True):
    emoji: str
    user_id: UserId
    display_name: str
    created_at: datetime


class Reacted(View, frozen=True, kw_only=True):
    """`count` is how many react with this emoji by now."""

    emoji: str
    count: int


class Toggled(View, frozen=True, kw_only=True):
    added: bool
