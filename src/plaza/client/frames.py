"""Frames of the sockets: what a client says, what it is told, and why a socket ends.

Written by `plaza dev client` from docs/asyncapi.json.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import TypeAlias
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from plaza.client.models import MessageBody, MessageView, Peer, Status


class Close(IntEnum):
    """Why the server ended a socket."""

    RESTART = 1012  # come back; the reason is `retry_ms=<n>`, after so many milliseconds
    UNAUTHENTICATED = 4001  # the ticket or token is no good; the reason is the code of the refusal
    FORMER_MEMBER = 4003  # no longer part of this conversation
    NO_SUCH_TOPIC = 4004  # there is no such conversation
    SLOW_READER = 4008  # too much was left unread: come back and resume
    TOO_MANY_SOCKETS = 4009  # the user's oldest socket gives way to one too many
    MALFORMED = 4010  # a frame was too large, or the third was malformed
    FLOOD = 4029  # too many frames, or sockets opened
    SESSION_ENDED = 4401  # the session has ended: log in again
    NOT_ADMITTED = 4403  # known, but not let in: an API key, somebody on the waitlist


class Ack(Struct, frozen=True, kw_only=True, tag_field="type", tag="ack"):
    """Only after the commit. `added` answers a toggled reaction."""

    ref: str | int | None
    message: MessageView | None = None
    added: bool | None = None


class Authenticate(Struct, frozen=True, kw_only=True, tag_field="type", tag="auth"):
    """The first frame, within 5 s, of a socket that was opened with neither ticket nor header."""

    ref: str | int | UnsetType | None = UNSET
    token: str


class ConversationBody(Struct, frozen=True, kw_only=True):
    """A conversation without what is personal: what a frame carries."""

    id: UUID
    kind: str
    title: str | None
    created_by: UUID | None
    participant_count: int
    slow_mode_s: int
    posting: str
    last_seq: int
    last_message_at: datetime | None
    last_message: MessageBody | None
    peer: Peer | None
    created_at: datetime


class ConversationUpdated(Struct, frozen=True, kw_only=True, tag_field="type", tag="conversation.updated"):
    conversation_id: UUID
    conversation: ConversationBody


class DeleteMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="message.delete"):
    ref: str | int | UnsetType | None = UNSET
    message_id: UUID


class DeliveredUpdated(Struct, frozen=True, kw_only=True, tag_field="type", tag="delivered.updated"):
    """Everything up to there was written to a device of this person. Only in small conversations; it comes up to a second later."""

    conversation_id: UUID
    user_id: UUID
    up_to: int


class EditMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="message.edit"):
    ref: str | int | UnsetType | None = UNSET
    message_id: UUID
    content: str


class MarkRead(Struct, frozen=True, kw_only=True, tag_field="type", tag="read"):
    ref: str | int | UnsetType | None = UNSET
    conversation_id: UUID | UnsetType | None = UNSET
    seq: int


class MessageDeleted(Struct, frozen=True, kw_only=True, tag_field="type", tag="message.deleted"):
    conversation_id: UUID
    seq: int
    message_id: UUID


class MessageNew(Struct, frozen=True, kw_only=True, tag_field="type", tag="message.new"):
    conversation_id: UUID
    seq: int
    message: MessageBody


class MessageUpdated(Struct, frozen=True, kw_only=True, tag_field="type", tag="message.updated"):
    """The message as it is when this is read: of several edits an early frame may show the last."""

    conversation_id: UUID
    seq: int
    message: MessageBody


class NotificationNew(Struct, frozen=True, kw_only=True, tag_field="type", tag="notification.new"):
    """To all devices that the person has open then. It has no seq: who was away is not told later. A repetition has the same id."""

    notification: NotificationView


class NotificationView(Struct, frozen=True, kw_only=True):
    """What a person is shown. `title` is one line, `text` plain; `kind` is for apps that know it."""

    id: UUID
    kind: str
    title: str
    text: str
    created_at: datetime


class ParticipantChanged(Struct, frozen=True, kw_only=True, tag_field="type", tag="participant.changed"):
    """`role` null: no longer part of it. Whoever is removed gets this about himself as the conversation's last frame."""

    conversation_id: UUID
    user_id: UUID
    role: str | None


class PinChanged(Struct, frozen=True, kw_only=True, tag_field="type", tag="pin.changed"):
    conversation_id: UUID
    seq: int
    message_id: UUID
    user_id: UUID
    pinned: bool


class Ping(Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    ref: str | int | UnsetType | None = UNSET


class Pong(Struct, frozen=True, kw_only=True, tag_field="type", tag="pong"):
    ref: str | int | None


class PresenceChanged(Struct, frozen=True, kw_only=True, tag_field="type", tag="presence.changed"):
    user_id: UUID
    status: str
    last_seen_at: datetime | None


class ReactionChanged(Struct, frozen=True, kw_only=True, tag_field="type", tag="reaction.changed"):
    """`count` is how many have reacted with this emoji by now."""

    conversation_id: UUID
    seq: int
    message_id: UUID
    user_id: UUID
    emoji: str
    added: bool
    count: int


class ReadUpdated(Struct, frozen=True, kw_only=True, tag_field="type", tag="read.updated"):
    conversation_id: UUID
    user_id: UUID
    up_to: int


class Ready(Struct, frozen=True, kw_only=True, tag_field="type", tag="ready"):
    """The first frame of every socket: from now on all its conversations are live. A ping every `heartbeat_s` shows a dead line."""

    session_id: UUID
    user_id: UUID
    heartbeat_s: int


class Refused(Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """The socket stays open. `retry_after` is in seconds."""

    ref: str | int | None
    code: str
    message: str
    retry_after: float | None = None


class ResumePoint(Struct, frozen=True, kw_only=True):
    """Without `after_seq` only what comes from now on."""

    id: UUID
    after_seq: int | UnsetType | None = UNSET


class SendMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="message.send"):
    """`client_id` names the message for its sender for ever: sent again, it is acknowledged with the first message."""

    ref: str | int | UnsetType | None = UNSET
    conversation_id: UUID | UnsetType | None = UNSET
    client_id: UUID
    content: str
    parent_id: UUID | UnsetType | None = UNSET
    attachments: list[str] | UnsetType | None = UNSET


class SessionRevoked(Struct, frozen=True, kw_only=True, tag_field="type", tag="session.revoked"):
    """To the person's other devices; the sockets of the session itself are closed with 4401."""

    session_id: UUID


class SetPresence(Struct, frozen=True, kw_only=True, tag_field="type", tag="presence.set"):
    ref: str | int | UnsetType | None = UNSET
    status: Status


class SetTyping(Struct, frozen=True, kw_only=True, tag_field="type", tag="typing"):
    """Not answered."""

    ref: str | int | UnsetType | None = UNSET
    conversation_id: UUID | UnsetType | None = UNSET
    is_typing: bool


class Subscribe(Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribe"):
    """For resuming: all conversations are live without it. From sending it until `subscribed` a client ignores their frames."""

    ref: str | int | UnsetType | None = UNSET
    conversations: list[ResumePoint]


class Subscribed(Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribed"):
    """Behind it comes every entry after the asked-for seqs, in order, then live ones."""

    ref: str | int | None
    conversations: list[SubscribedTo]


class SubscribedTo(Struct, frozen=True, kw_only=True):
    id: UUID
    last_seq: int


class Sync(Struct, frozen=True, kw_only=True, tag_field="type", tag="sync"):
    """Something of the person's own has changed elsewhere: read `what` anew.

    It is one of drafts, saved, scheduled, mute, archive, blocks, invites.
    """

    what: str


class ToggleReaction(Struct, frozen=True, kw_only=True, tag_field="type", tag="reaction.toggle"):
    ref: str | int | UnsetType | None = UNSET
    message_id: UUID
    emoji: str


class TypingChanged(Struct, frozen=True, kw_only=True, tag_field="type", tag="typing"):
    """Holds for 6 s."""

    conversation_id: UUID
    user_id: UUID
    is_typing: bool


class UnreadChanged(Struct, frozen=True, kw_only=True, tag_field="type", tag="unread"):
    """To all devices of one person after his marker moved. New messages move no marker: clients count those themselves."""

    conversation_id: UUID
    unread: int
    mentions: int


class WatchPresence(Struct, frozen=True, kw_only=True, tag_field="type", tag="presence.watch"):
    """Takes the place of whomever this socket watched before."""

    ref: str | int | UnsetType | None = UNSET
    user_ids: list[UUID]


Said: TypeAlias = (
    Authenticate
    | DeleteMessage
    | EditMessage
    | MarkRead
    | Ping
    | SendMessage
    | SetPresence
    | SetTyping
    | Subscribe
    | ToggleReaction
    | WatchPresence
)


Told: TypeAlias = (
    Ack
    | ConversationUpdated
    | DeliveredUpdated
    | MessageDeleted
    | MessageNew
    | MessageUpdated
    | NotificationNew
    | ParticipantChanged
    | PinChanged
    | Pong
    | PresenceChanged
    | ReactionChanged
    | ReadUpdated
    | Ready
    | Refused
    | SessionRevoked
    | Subscribed
    | Sync
    | TypingChanged
    | UnreadChanged
)


Logged: TypeAlias = MessageDeleted | MessageNew | MessageUpdated | PinChanged | ReactionChanged
"""Entries of a conversation's log."""
