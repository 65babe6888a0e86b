"""What the hub needs of the context whose log it follows, and what that context tells it.

A topic (a conversation) has a log whose entries are numbered 1, 2, 3 ... without gaps, each committed with the change that it tells. The
log is the truth; everything else only wakes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec


class LogFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One entry as every member's sockets get it.

    `joined` are attached before `frame` goes out (it is the first that they see), `left` detached after `then` (the last that they see).
    `then` are frames without a number that belong to the entry and follow it at once, such as `participant.changed`.
    """

    seq: int
    frame: bytes
    joined: tuple[UUID, ...] = ()
    left: tuple[UUID, ...] = ()
    then: tuple[bytes, ...] = ()


class Wake(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=1):
    """A LogFrame on its way, told after the commit. It may be lost, late, doubled or out of order."""

    topic: UUID
    seq: int
    frame: bytes
    joined: tuple[UUID, ...] = ()
    left: tuple[UUID, ...] = ()
    then: tuple[bytes, ...] = ()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """An entry without its frame: where a topic's log ends, or who came and went on the way there."""

    topic: UUID
    seq: int
    joined: tuple[UUID, ...] = ()
    left: tuple[UUID, ...] = ()


class TopicLog(Protocol):
    """What reads is one statement each, on the autocommitting reader."""

    async def frames(self, topic: UUID, after: int, limit: int) -> Sequence[LogFrame]:
        """The first `limit` entries with a seq above `after`, in order. No check of membership: the hub knows who may see them."""
        ...

    async def heads(self, since: UUID) -> Sequence[Head]:
        """Of every topic with an entry made since (entry id >= `since`, a UUIDv7): its last entry, and each entry since then in which
        somebody joined or left; ordered by topic and seq. Nobody joins a topic that has ended."""
        ...

    async def unseen_since(self) -> datetime | None:
        """Since when entries may have been made that nobody can see yet, because their COMMIT lasts; None: there are none."""
        ...

    async def topics_of(self, user_id: UUID) -> Mapping[UUID, int]:
        """The topics that the user is a member of now, each with its last seq."""
        ...

    async def ended(self, topics: Collection[UUID]) -> Collection[UUID]:
        """Those of them whose log goes on no more."""
        ...

    def farewell(self, topic: UUID, user_id: UUID) -> bytes:
        """The frame that a member hears last of a topic that has ended."""
        ...
