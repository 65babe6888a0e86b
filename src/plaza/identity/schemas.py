"""What comes in, what goes out, what is mailed, and what services hand each other."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from limits import parse
from msgspec import UNSET, Meta, UnsetType

from plaza.core.actor import Actor
from plaza.core.crypto import Sealed
from plaza.core.messages import JobPayload
from plaza.core.schemas import Input, Patch, View
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.models import UserStatus

Line = Annotated[str, Meta(min_length=1, max_length=100)]
Username = Annotated[str, Meta(min_length=3, max_length=30)]
Address = Annotated[str, Meta(max_length=320)]


class IdentitySettings(msgspec.Struct, frozen=True):
    """Times in seconds. `hash_queue` is how many passwords may wait for one of the `hash_threads`."""

    access_token_s: int = 900
    refresh_token_s: int = 7 * 86_400
    refresh_grace_s: int = 30
    session_s: int = 90 * 86_400
    code_s: int = 600
    code_tries: int = 3
    code_mails: str = "5 per 15 minute"
    ticket_s: int = 60
    login_failures: int = 5
    login_wait_s: int = 30
    login_wait_max_s: int = 900
    hash_threads: int = 2
    hash_queue: int = 64
    unverified_days: int = 30

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int) and value < (0 if name in ("hash_queue", "refresh_grace_s") else 1):
                raise ValueError(f"{name} is too small")
        try:
            parse(self.code_mails)
        except ValueError:
            raise ValueError("code_mails must read like 5 per 15 minute") from None


# Inputs


class RegistrationInput(Input, frozen=True, kw_only=True):
    """Either of `email` and `phone`."""

    email: Address | None = None
    phone: Annotated[str, Meta(max_length=32)] | None = None
    password: str | None = None
    display_name: Line | None = None


class EmailInput(Input, frozen=True, kw_only=True):
    email: Address


class VerifyEmailInput(Input, frozen=True, kw_only=True):
    """`email` and `code`, or the `token` of the mailed link."""

    email: Address | None = None
    code: str | None = None
    token: str | None = None


class LoginInput(Input, frozen=True, kw_only=True):
    """`identifier` is an e-mail address, a phone number or a username."""

    identifier: str
    password: str


class RefreshInput(Input, frozen=True, kw_only=True):
    """Left out where the cookie holds it."""

    refresh_token: str | None = None


class UserPatch(Patch, frozen=True, kw_only=True):
    display_name: Line | UnsetType = UNSET
    username: Username | UnsetType | None = UNSET


class PreferencesPatch(Patch, frozen=True, kw_only=True):
    theme: Literal["system", "light", "dark"] | UnsetType = UNSET
    language: Annotated[str, Meta(min_length=2, max_length=35)] | UnsetType = UNSET
    email_frequency: Literal["immediate", "daily", "weekly", "never"] | UnsetType = UNSET
    discoverable: bool | UnsetType = UNSET


class ProfilePatch(Patch, frozen=True, kw_only=True):
    """`preferences` are merged: what is left out stays."""

    first_name: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    last_name: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    display_name: Line | UnsetType = UNSET
    username: Username | UnsetType | None = UNSET
    bio: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    birth_date: date | UnsetType | None = UNSET
    timezone: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    locale: Annotated[str, Meta(min_length=2, max_length=35)] | UnsetType = UNSET
    preferences: PreferencesPatch | UnsetType = UNSET


class LookupInput(Input, frozen=True, kw_only=True):
    """Exactly one of them; only an exact match is found."""

    username: str | None = None
    email: str | None = None
    phone: str | None = None


class SessionPatch(Input, frozen=True, kw_only=True):
    name: Line


# Views


class VerificationSent(View, frozen=True, kw_only=True):
    """The same for every address."""

    status: Literal["verification_sent"] = "verification_sent"


class UserView(View, frozen=True, kw_only=True):
    """For its owner."""

    id: UserId
    email: str | None
    phone: str | None
    email_verified: bool
    phone_verified: bool
    status: UserStatus
    is_staff: bool
    username: str | None
    display_name: str
    created_at: datetime


class TokenPair(View, frozen=True, kw_only=True):
    """`expires_in` seconds is the access token's life. `refresh_token` is null where the cookie holds it."""

    access_token: str
    refresh_token: str | None
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a password
    expires_in: int
    user: UserView


class Preferences(View, frozen=True, kw_only=True):
    """`discoverable` people are found by lookup; the others only by those who have their id."""

    theme: Literal["system", "light", "dark"] = "system"
    language: str = "en"
    email_frequency: Literal["immediate", "daily", "weekly", "never"] = "immediate"
    discoverable: bool = True


class ProfileView(View, frozen=True, kw_only=True):
    """For its owner."""

    first_name: str
    last_name: str
    display_name: str
    username: str | None
    avatar_url: str | None
    bio: str
    birth_date: date | None
    timezone: str
    locale: str
    preferences: Preferences
    storage_quota_bytes: int


class Card(View, frozen=True, kw_only=True):
    """What anybody signed in may see of a person."""

    id: UserId
    username: str | None
    display_name: str
    avatar_url: str | None
    bio: str


class Device(View, frozen=True, kw_only=True):
    name: str
    platform: str
    user_agent: str


class SessionView(View, frozen=True, kw_only=True):
    id: SessionId
    device: Device
    ip: str
    created_at: datetime
    last_used_at: datetime
    current: bool


class Ticket(View, frozen=True, kw_only=True):
    """Opens one socket within `expires_in` seconds."""

    ticket: str
    expires_in: int


class PublicKey(View, frozen=True, kw_only=True):
    """A JSON Web Key (RFC 7517)."""

    kty: str
    crv: str
    x: str
    y: str
    kid: str
    use: str = "sig"
    alg: str = "ES256"


class KeySet(View, frozen=True, kw_only=True):
    keys: list[PublicKey]


# Jobs: whom an address belongs to is looked up there, so that the request does the same work for every address


class StartRegistration(JobPayload, frozen=True, kw_only=True, tag="identity.start_registration"):
    email: str
    password_hash: Sealed[str] | None
    display_name: str | None


class ResendCode(JobPayload, frozen=True, kw_only=True, tag="identity.resend_code"):
    email: str


# Between services


class Origin(msgspec.Struct, frozen=True):
    """Where a login comes from."""

    ip: str
    user_agent: str


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A session whose tokens are to be handed out, once the transaction that opened or renewed it has committed."""

    session_id: SessionId
    authenticated_at: datetime
    expires_at: datetime
    refresh_token: str | None
    user: UserView
    is_superuser: bool


class Identifier(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody logs in with, in the one spelling that it can be; the others are empty. No username looks like an address."""

    email: str = ""
    phone: str = ""
    username: str = ""


class LoginCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """`outstanding_hash` is the password of the newest registration of this address that nobody has confirmed."""

    user_id: UserId | None
    status: UserStatus | None
    password_hash: str | None
    outstanding_hash: str | None
    on_known_device: bool


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    email: str
    display_name: str


Seconds = Annotated[int, Meta(ge=0, le=253_402_300_799)]  # since the epoch, within the calendar


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
    staff: bool = False
    superuser: bool = False


class StoredTicket(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis keeps of a socket ticket."""

    actor: Actor
    expires_at: datetime
