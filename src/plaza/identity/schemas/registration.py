"""Signing up, and proving an e-mail address."""

from __future__ import annotations

from typing import Literal

from plaza.core.crypto import Sealed
from plaza.core.messages import JobPayload
from plaza.core.schemas import Input, View
from plaza.identity.schemas.fields import EmailAddress, Line, PhoneNumber


class RegistrationInput(Input, frozen=True, kw_only=True):
    """Either of `email` and `phone`."""

    email: EmailAddress | None = None
    phone: PhoneNumber | None = None
    password: str | None = None
    display_name: Line | None = None


class EmailInput(Input, frozen=True, kw_only=True):
    email: EmailAddress


class VerifyEmailInput(Input, frozen=True, kw_only=True):
    """`email` and `code`, or the `token` of the mailed link."""

    email: EmailAddress | None = None
    code: str | None = None
    token: str | None = None


class VerificationSent(View, frozen=True, kw_only=True):
    """The same for every address."""

    status: Literal["verification_sent"] = "verification_sent"


class StartRegistration(JobPayload, frozen=True, kw_only=True, tag="identity.start_registration"):
    """By one of `email` and `phone`. `linked` is (provider, subject) of an outside account."""

    email: str | None
    phone: str | None = None
    password_hash: Sealed[str] | None
    display_name: str | None
    linked: tuple[str, str] | None = None


class ResendCode(JobPayload, frozen=True, kw_only=True, tag="identity.resend_code"):
    email: str
