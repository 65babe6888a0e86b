"""Passkeys. What browsers make of them is passed through in their own JSON (WebAuthn Level 3, 5.1), which may grow."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec

from plaza.core.schemas import Input, View
from plaza.identity.schemas.fields import Line


class AttestationResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    client_data_json: str = msgspec.field(name="clientDataJSON")
    attestation_object: str
    transports: Annotated[list[str], msgspec.Meta(max_length=20)] = []


class AssertionResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    client_data_json: str = msgspec.field(name="clientDataJSON")
    authenticator_data: str
    signature: str
    user_handle: str | None = None


class NewCredential(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`RegistrationResponseJSON`: what `navigator.credentials.create()` gave, by its `toJSON()`."""

    id: str
    raw_id: str
    type: str
    response: AttestationResponse


class UsedCredential(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`AuthenticationResponseJSON`: what `navigator.credentials.get()` gave, by its `toJSON()`."""

    id: str
    raw_id: str
    type: str
    response: AssertionResponse


class PasskeyOptions(View, frozen=True, kw_only=True):
    """`options` are for `PublicKeyCredential.parseCreationOptionsFromJSON()` or `parseRequestOptionsFromJSON()`.

    `challenge_id` goes back with the answer, which is looked at once.
    """

    challenge_id: str
    options: dict[str, Any]


class PasskeyInput(Input, frozen=True, kw_only=True):
    """Without a `name` it is called after the browser."""

    challenge_id: str
    credential: NewCredential
    name: Line | None = None
    end_other_sessions: bool = False


class PasskeyLogin(Input, frozen=True, kw_only=True):
    challenge_id: str
    credential: UsedCredential


class PasskeyPatch(Input, frozen=True, kw_only=True):
    name: Line


class PasskeyView(View, frozen=True, kw_only=True):
    """A `backed_up` one lives in its owner's cloud, on several devices. `aaguid` names the kind of authenticator."""

    id: UUID
    name: str
    transports: list[str]
    aaguid: UUID
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


class ChallengeKind(StrEnum):
    PASSKEY_REGISTRATION = "passkey_registration"
    PASSKEY_AUTHENTICATION = "passkey_authentication"
    DEVICE_KEY = "device_key"


class StoredChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis keeps: `subject` is for whom alone it is good, empty for anybody."""

    kind: ChallengeKind
    challenge: bytes
    subject: str = ""
    expires_at: datetime
