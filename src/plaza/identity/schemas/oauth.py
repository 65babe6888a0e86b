"""Logging in by an outside account: what is asked, what is kept on the way, what a provider said."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from plaza.core.actor import Actor
from plaza.core.schemas import Input, View
from plaza.identity.schemas.fields import Line

# Base64url of 32 bytes: the S256 challenge of RFC 7636.
Challenge = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]
Verifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~-]{43,128}$")]
IdToken = Annotated[str, Meta(min_length=1, max_length=16_384)]
Nonce = Annotated[str, Meta(min_length=8, max_length=200)]


class AuthorizeInput(Input, frozen=True, kw_only=True):
    """`redirect_to` is one of the allowed addresses, /account without; `next` a relative path that comes back with it.

    `reauthenticate` asks the provider to have the login proved anew, for what needs a recent one.
    """

    redirect_to: Annotated[str, Meta(max_length=2000)] | None = None
    next: Annotated[str, Meta(max_length=2000)] | None = None
    code_challenge: Challenge | None = None
    reauthenticate: bool = False


class LinkAccountInput(Input, frozen=True, kw_only=True):
    """As for a login."""

    redirect_to: Annotated[str, Meta(max_length=2000)] | None = None
    next: Annotated[str, Meta(max_length=2000)] | None = None


class ProviderView(View, frozen=True, kw_only=True):
    """An outside account that can be logged in with: `name` as in the routes, `title` to be shown."""

    name: str
    title: str


class AuthorizationUrl(View, frozen=True, kw_only=True):
    """Where to send the browser, within ten minutes."""

    url: str


class ExchangeInput(Input, frozen=True, kw_only=True):
    """`code_verifier` where the login was begun with a `code_challenge`."""

    code: Annotated[str, Meta(min_length=1, max_length=200)]
    code_verifier: Verifier | None = None


class GoogleInput(Input, frozen=True, kw_only=True):
    """`nonce` as the app gave it to the provider, or the text whose SHA-256 it gave."""

    id_token: IdToken
    nonce: Nonce | None = None


class AppleInput(Input, frozen=True, kw_only=True):
    """Apple tells the name to the app alone, at the first login; `nonce` as for Google."""

    id_token: IdToken
    nonce: Nonce | None = None
    name: Line | None = None


class NativeLogin(msgspec.Struct, frozen=True, kw_only=True):
    """Either of the two above."""

    provider: str
    id_token: str
    nonce: str | None = None
    name: str | None = None


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """`verifier` or `browser`, the secret of its cookie, shows who began the login."""

    code: str
    verifier: str | None = None
    browser: str | None = None


class LinkedAccountView(View, frozen=True, kw_only=True):
    id: UUID
    provider: str
    email: str | None
    created_at: datetime
    last_used_at: datetime | None


class Journey(msgspec.Struct, frozen=True, kw_only=True):
    """What the browser brings back from the provider, in whatever way. `name` is what Apple tells beside it."""

    state: str | None = None
    code: str | None = None
    iss: str | None = None
    error: str | None = None
    name: str | None = None


class OutsideIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is elsewhere, after everything was verified. `is_vouched`: the provider may and does say that the address is theirs."""

    provider: str
    subject: str
    email: str | None
    is_vouched: bool
    name: str | None = None


class OutsideToken(msgspec.Struct, frozen=True, kw_only=True):
    """What an outside issuer's access token says, verified. `roles` are ours already, `methods` as in RFC 8176."""

    issuer: str
    session: str
    identity: OutsideIdentity
    organization: str | None
    roles: tuple[str, ...]
    methods: tuple[str, ...]
    authenticated_at: datetime | None
    expires_at: datetime


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """A login on its way to the provider and back. With an `actor` it will link instead. `browser` is the hash of a cookie."""

    provider: str
    nonce: str
    verifier: str
    browser: bytes
    redirect_to: str
    expires_at: datetime
    fresh: bool = False
    next: str | None = None
    code_challenge: str | None = None
    actor: Actor | None = None


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A login that came back, waiting for whoever began it to fetch the tokens."""

    identity: OutsideIdentity
    browser: bytes
    expires_at: datetime
    code_challenge: str | None = None


class Redirect(msgspec.Struct, frozen=True):
    """`browser` is the secret that the browser's cookie shall hold."""

    url: str
    browser: str
