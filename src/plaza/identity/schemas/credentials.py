"""Passwords, links that are as good as one, and the change of an address."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from plaza.core.messages import JobPayload
from plaza.core.schemas import Input
from plaza.domain_events.identity import UserId
from plaza.identity.schemas.fields import EmailAddress

LinkToken = Annotated[str, Meta(max_length=100)]


class ResetPasswordInput(Input, frozen=True, kw_only=True):
    """`token` is that of the mailed link."""

    token: LinkToken
    password: str


class ChangePasswordInput(Input, frozen=True, kw_only=True):
    """`old` is left out only where no password was set."""

    old: str | None = None
    new: str
    end_other_sessions: bool = False


class CodeInput(Input, frozen=True, kw_only=True):
    code: Annotated[str, Meta(max_length=20)]


class LinkInput(Input, frozen=True, kw_only=True):
    """The token of a mailed link."""

    token: LinkToken


class MagicLinkInput(Input, frozen=True, kw_only=True):
    """`challenge` is the unpadded base64url of a verifier's SHA-256 (S256 of RFC 7636): only who has the verifier can use the link."""

    email: EmailAddress
    challenge: Annotated[str, Meta(min_length=43, max_length=43, pattern="^[A-Za-z0-9_-]+$")] | None = None


class MagicLinkConfirmation(Input, frozen=True, kw_only=True):
    """`verifier` is left out only where the link was asked for without a challenge."""

    token: LinkToken
    verifier: Annotated[str, Meta(max_length=128)] | None = None


class PasswordOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose password is to be set, and what it must not hold."""

    user_id: UserId
    email: str | None
    phone: str | None
    username: str | None
    display_name: str
    first_name: str
    last_name: str
    password_hash: str | None

    @property
    def names(self) -> tuple[str | None, ...]:
        return self.username, self.display_name, self.first_name, self.last_name


class SendPasswordReset(JobPayload, frozen=True, kw_only=True, tag="identity.send_password_reset"):
    email: str


class SendMagicLink(JobPayload, frozen=True, kw_only=True, tag="identity.send_magic_link"):
    email: str
    challenge: str | None


class SendEmailChangeCode(JobPayload, frozen=True, kw_only=True, tag="identity.send_email_change_code"):
    user_id: UserId
    email: str
