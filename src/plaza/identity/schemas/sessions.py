"""Sessions, socket tickets, and the keys that tokens are verified with."""

from __future__ import annotations

from datetime import datetime

import msgspec

from plaza.core.actor import Actor
from plaza.core.schemas import Input, View
from plaza.domain_events.identity import SessionId
from plaza.identity.schemas.fields import Line


class SessionPatch(Input, frozen=True, kw_only=True):
    name: Line


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


class StoredTicket(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis keeps of a socket ticket."""

    actor: Actor
    expires_at: datetime
