"""Codes that go to phones."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from plaza.core.messages import JobPayload
from plaza.core.schemas import Input
from plaza.domain_events.identity import UserId
from plaza.identity.schemas.fields import PhoneNumber


class PhoneInput(Input, frozen=True, kw_only=True):
    phone: PhoneNumber


class PhoneCodeInput(Input, frozen=True, kw_only=True):
    phone: PhoneNumber
    code: Annotated[str, Meta(max_length=32)]


class TextNotice(JobPayload, frozen=True, kw_only=True, tag="identity.text_notice"):
    """`data` is what the template of a security notice shows."""

    phone: str
    data: dict[str, str]


class SendPhoneCode(JobPayload, frozen=True, kw_only=True, tag="identity.send_phone_code"):
    """`user_id` is the signed-in person who wants the number for their account; without one it is somebody on their way in."""

    phone: str
    user_id: UserId | None = None
