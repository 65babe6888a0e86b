"""What travels through `core_job`: jobs for one handler, domain events for as many as want them.

Names are msgspec tags: `class UserRegistered(DomainEvent, tag="identity.user_registered")`. Schemas only grow; a changed shape is a new
class with a higher `version`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=False):
    @classmethod
    def name(cls) -> str:
        """`<context>.<noun>_<past verb>` of an event, `<context>.<verb>_<noun>` of a job."""
        tag = cls.__struct_config__.tag
        if not isinstance(tag, str) or tag.count(".") != 1:
            raise TypeError(f"{cls.__qualname__} needs tag='<context>.<name>'")
        return tag


class JobPayload(Message, frozen=True, kw_only=True):
    """Work for exactly one job. Secrets in it are `Sealed`; they are wiped once the job has ended."""


class DomainEvent(Message, frozen=True, kw_only=True):
    """A fact of its context, told in the transaction that made it true."""

    version: ClassVar[int] = 1

    def aggregate(self) -> tuple[str, str]:
        """Type and id of what changed; events of one aggregate reach each handler in order."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to be written. Jobs of one `key` run one after another in the order of their writing; none runs before `at`."""

    payload: JobPayload
    key: str | None = None
    at: datetime | None = None
