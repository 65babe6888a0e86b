"""What chat refuses. A stranger learns nothing: for him a conversation that he was never part of does not exist."""

from __future__ import annotations

from plaza.core.result import DomainError


class ConversationNotFound(DomainError):
    """There is no such conversation for you."""

    code, status = "CONVERSATION_NOT_FOUND", 404


class ConversationDeleted(DomainError):
    """This conversation was deleted."""

    code, status = "CONVERSATION_DELETED", 410


class NotParticipant(DomainError):
    """You are no longer part of this conversation."""

    code, status = "NOT_PARTICIPANT", 403


class NotOwner(DomainError):
    """Only the owner of the group may do this."""

    code, status = "NOT_OWNER", 403


class NotGroup(DomainError):
    """Only groups have this; a direct conversation does not."""

    code, status = "NOT_GROUP", 409


class SameUser(DomainError):
    """This needs somebody other than yourself."""

    code, status = "SAME_USER", 422


class TitleRequired(DomainError):
    """A group needs a title."""

    code, status = "TITLE_REQUIRED", 422


class GroupFull(DomainError):
    """The group has as many participants as it may have."""

    code, status = "GROUP_FULL", 409


class AlreadyParticipant(DomainError):
    """This person is part of the group already."""

    code, status = "ALREADY_PARTICIPANT", 409


class ParticipantNotFound(DomainError):
    """This person is not part of the conversation."""

    code, status = "PARTICIPANT_NOT_FOUND", 404


class InvalidRole(DomainError):
    """A role is admin or member."""

    code, status = "INVALID_ROLE", 422


class CannotAddOwner(DomainError):
    """Nobody joins as owner: ownership is transferred."""

    code, status = "CANNOT_ADD_OWNER", 422


class CannotRemoveSelf(DomainError):
    """Nobody removes himself: leave the conversation instead."""

    code, status = "CANNOT_REMOVE_SELF", 422


class CannotRemoveOwner(DomainError):
    """The owner cannot be removed."""

    code, status = "CANNOT_REMOVE_OWNER", 422


class CannotChangeOwnerRole(DomainError):
    """The owner stays owner until he transfers the ownership or leaves."""

    code, status = "CANNOT_CHANGE_OWNER_ROLE", 422


class Blocked(DomainError):
    """One of you has blocked the other."""

    code, status = "BLOCKED", 403


class SlowMode(DomainError):
    """Slow mode is on: wait for the seconds that Retry-After names before you write here again."""

    code, status = "SLOW_MODE", 429


class InviteNotFound(DomainError):
    """No such invitation holds: it is unknown, revoked, used up or over."""

    code, status = "INVITE_NOT_FOUND", 404


class TooManyInviteLinks(DomainError):
    """This group has as many invite links as it may have: revoke one first."""

    code, status = "TOO_MANY_INVITE_LINKS", 409


class ReportNotFound(DomainError):
    """There is no such report."""

    code, status = "REPORT_NOT_FOUND", 404


class MessageNotFound(DomainError):
    """There is no such message in this conversation."""

    code, status = "MESSAGE_NOT_FOUND", 404


class EmptyContent(DomainError):
    """A message needs some text."""

    code, status = "EMPTY_CONTENT", 422


class ContentTooLong(DomainError):
    """A message has at most 10,000 characters."""

    code, status = "CONTENT_TOO_LONG", 422


class InvalidParent(DomainError):
    """A reply belongs to a message that people wrote in the same conversation."""

    code, status = "INVALID_PARENT", 422


class AttachmentsUnavailable(DomainError):
    """Messages cannot carry attachments yet."""

    code, status = "ATTACHMENTS_UNAVAILABLE", 422


class NotAuthor(DomainError):
    """Only whoever wrote the message may do this."""

    code, status = "NOT_AUTHOR", 403


class SystemMessage(DomainError):
    """What the conversation tells by itself cannot be changed."""

    code, status = "SYSTEM_MESSAGE", 409


class AlreadyDeleted(DomainError):
    """This message was deleted."""

    code, status = "ALREADY_DELETED", 409


class EditTimeExpired(DomainError):
    """A message can be edited only for a while after it was sent."""

    code, status = "EDIT_TIME_EXPIRED", 409


class MaxEditsReached(DomainError):
    """This message was edited as often as one may be."""

    code, status = "MAX_EDITS_REACHED", 409


class InvalidEmoji(DomainError):
    """A reaction is one emoji."""

    code, status = "INVALID_EMOJI", 422


class ReactionNotFound(DomainError):
    """You have not reacted with this emoji."""

    code, status = "REACTION_NOT_FOUND", 404


class MaxReactionsExceeded(DomainError):
    """A message takes only so many different emoji, and so many from one person."""

    code, status = "MAX_REACTIONS_EXCEEDED", 409


class TooManyPins(DomainError):
    """As many messages are pinned here as can be."""

    code, status = "TOO_MANY_PINS", 409


class QueryTooShort(DomainError):
    """A search needs two characters at least."""

    code, status = "QUERY_TOO_SHORT", 422


class InvalidSendTime(DomainError):
    """A message is scheduled for a time to come, with its offset from UTC, within a year."""

    code, status = "INVALID_SEND_TIME", 422


class ScheduledNotFound(DomainError):
    """No such message of yours waits to be sent."""

    code, status = "SCHEDULED_NOT_FOUND", 404


class TooManyScheduled(DomainError):
    """As many messages of yours wait to be sent as may."""

    code, status = "TOO_MANY_SCHEDULED", 409
