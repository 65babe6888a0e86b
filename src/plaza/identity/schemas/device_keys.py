"""Device keys: what an app keeps behind a fingerprint or a face ("biometric"). All bytes are base64."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from plaza.core.schemas import Input, View
from plaza.identity.schemas.fields import EmailAddress, Line


class DeviceChallengeInput(Input, frozen=True, kw_only=True):
    """Either of them."""

    user_id: UUID | None = None
    email: EmailAddress | None = None


class DeviceKeyInput(Input, frozen=True, kw_only=True):
    """`public_key` is of the curve P-256, in DER (SubjectPublicKeyInfo).

    `signature` is its ECDSA with SHA-256, in DER, over the 32 bytes of the challenge.
    """

    device_name: Line
    public_key: str
    challenge: str
    signature: str
    end_other_sessions: bool = False


class DeviceLogin(Input, frozen=True, kw_only=True):
    """Either of `email` and `user_id`; `signature` as with the enrolment."""

    email: EmailAddress | None = None
    user_id: UUID | None = None
    challenge: str
    signature: str


class DeviceKeyRemoval(Input, frozen=True, kw_only=True):
    """Without a `key_id` all of them."""

    key_id: UUID | None = None
    end_other_sessions: bool = False


class DeviceChallenge(View, frozen=True, kw_only=True):
    """`challenge` is base64 of 32 bytes: good for one try within `expires_in` seconds."""

    challenge: str
    expires_in: int


class DeviceKeyView(View, frozen=True, kw_only=True):
    id: UUID
    device_name: str
    created_at: datetime
    last_used_at: datetime | None


class DeviceKeyStatus(View, frozen=True, kw_only=True):
    """The own one."""

    enabled: bool
    keys: list[DeviceKeyView]
