"""Getting in: what is given, what is decided, what is handed out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from plaza.core.schemas import Input, View
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.models import UserStatus
from plaza.identity.schemas.users import UserView


class LoginInput(Input, frozen=True, kw_only=True):
    """`identifier` is an e-mail address, a phone number or a username."""

    identifier: str
    password: str


class RefreshInput(Input, frozen=True, kw_only=True):
    """Left out where the cookie holds it."""

    refresh_token: str | None = None


class TokenPair(View, frozen=True, kw_only=True):
    """`expires_in` seconds is the access token's life. `refresh_token` is null where the cookie holds it, or where it

    stays the one that the session has.
    """

    access_token: str
    refresh_token: str | None
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a password
    expires_in: int
    user: UserView


class Origin(msgspec.Struct, frozen=True):
    """Where a login comes from. `replaces` is the session that it takes the place of, should it be the same person's."""

    ip: str
    user_agent: str
    replaces: SessionId | None = None


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What showed who somebody is: `methods` as in RFC 8176 (pwd, otp, sms, fed, hwk, ...); `is_multi_factor` asks for nothing more.

    `identifier` is what they named themselves by, where they did.
    """

    methods: tuple[str, ...]
    identifier: str = ""
    is_multi_factor: bool = False


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a try: `identifier_hash` is keyed, `method` names all that were shown, joined by +."""

    identifier_hash: bytes
    method: str


class Grant(msgspec.Struct, frozen=True, kw_only=True, tag="grant"):
    """A session whose tokens are to be handed out, once the transaction that opened or renewed it has committed.

    `permissions_until` is when the first of the grants behind `permissions` expires.
    """

    session_id: SessionId
    authenticated_at: datetime
    expires_at: datetime
    refresh_token: str | None
    user: UserView
    is_superuser: bool
    token_version: int = 1
    methods: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    permissions_until: datetime | None = None
    waitlisted_until: datetime | None = None
    impersonator_id: UserId | None = None


class SecondFactorNeeded(msgspec.Struct, frozen=True, kw_only=True, tag="second_factor"):
    """The first factor was accepted; `mfa_token` is good for one of `methods`."""

    mfa_token: str
    methods: tuple[str, ...]


Admission: TypeAlias = Grant | SecondFactorNeeded


class Identifier(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody logs in with, in the one spelling that it can be; the others are empty. No username looks like an address."""

    email: str = ""
    phone: str = ""
    username: str = ""


class LoginCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """`outstanding_hash` is the password of the newest registration of this address that nobody has confirmed."""

    user_id: UserId | None
    version: int | None
    status: UserStatus | None
    password_hash: str | None
    outstanding_hash: str | None
    on_known_device: bool


Seconds = Annotated[int, Meta(ge=0, le=253_402_300_799)]  # since the epoch, within the calendar


class Impersonator(msgspec.Struct, frozen=True):
    """The `act` claim (RFC 8693): who acts as `sub`."""

    sub: UserId


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of an access token (RFC 9068)."""

    iss: str
    aud: str
    sub: UserId
    sid: SessionId
    iat: Seconds
    nbf: Seconds
    exp: Seconds
    auth_time: Seconds
    ver: int = 1
    amr: tuple[str, ...] = ()
    staff: bool = False
    superuser: bool = False
    permissions: tuple[str, ...] = ()
    waitlisted_until: Seconds | None = None
    act: Impersonator | None = None
