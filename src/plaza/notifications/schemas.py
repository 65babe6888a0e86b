"""What others declare and hand over, and what the development outbox shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit
from uuid import UUID

import msgspec

from plaza.core.messages import JobPayload
from plaza.core.schemas import View
from plaza.domain_events.notifications import NotificationId

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SID = re.compile(r"[A-Za-z0-9]+")

Channel: TypeAlias = Literal["email", "sms", "in_app"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationType:
    """Declared in a context's manifest. `template` is "<context>/<name>": in that context's templates/ lie `<name>.txt` and `<name>.html`

    for mail, `<name>.sms.txt` for text messages, `<name>.in_app.txt` for open sockets, as `channels` say. `subject` (of mail), `title`
    (in the app; the subject where it is empty) and the templates are Jinja and see the data that `notify` was given; a name that is
    not in it is an error. Without `keeps_recipient` it is forgotten whom it went to, once it has.
    """

    name: str
    template: str
    subject: str = ""
    title: str = ""
    channels: tuple[Channel, ...] = ("email",)
    keeps_recipient: bool = True


class EmailRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """Raises ValueError for what could not stand in a header."""

    address: str
    name: str = ""

    def __post_init__(self) -> None:
        user, at, domain = self.address.rpartition("@")
        if not (user and at and domain) or any(not each.isprintable() or each.isspace() for each in self.address):
            raise ValueError("an address is user@domain")
        Address(self.name, user, domain)  # refuses line breaks


class SmsRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """`phone` in E.164. Raises ValueError for anything else."""

    phone: str

    def __post_init__(self) -> None:
        if not _E164.fullmatch(self.phone):
            raise ValueError("a phone number is + and 7 to 15 digits")


class InAppRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """Whatever this person has open when it is sent: no socket, and nobody is told."""

    user_id: UUID


Recipient: TypeAlias = EmailRecipient | SmsRecipient | InAppRecipient


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """Rendered and ready; lives in memory only."""

    id: NotificationId
    to: EmailRecipient
    subject: str
    text: str
    html: str
    at: datetime


class TextMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Rendered and ready; lives in memory only. With `good_for_s` the provider need not try for longer."""

    id: NotificationId
    to: SmsRecipient
    text: str
    at: datetime
    good_for_s: int | None = None


class NotificationView(View, frozen=True, kw_only=True):
    """What a person is shown. `title` is one line, `text` plain; `kind` is for apps that know it."""

    id: NotificationId
    kind: str
    title: str
    text: str
    created_at: datetime


class InAppMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Rendered and ready; lives in memory only."""

    to: InAppRecipient
    notification: NotificationView


class Deliver(JobPayload, frozen=True, kw_only=True, tag="notifications.deliver"):
    delivery_id: NotificationId


class OutboxItemView(View, frozen=True, kw_only=True):
    """`to` is the bare address or number, `body` the plain text."""

    channel: str
    to: str
    subject: str
    body: str
    at: datetime


class OutboxView(View, frozen=True, kw_only=True):
    items: list[OutboxItemView]


_LOCAL = ("localhost", "127.0.0.1", "::1")
_SCHEMES = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class NotificationsSettings(msgspec.Struct, frozen=True):
    """PLAZA_NOTIFICATIONS_*.

    `smtp_url` is smtp://[user:password@]host[:port] (encrypted where the server offers it), smtp+starttls://... (never unencrypted) or
    smtps://... (encrypted from the start). Empty: mail goes to the development outbox, and production does not start.
    `sms_account`, `sms_token` and `sms_sender` (a number, a name or a messaging service's MG... id) are those of a Twilio account, or of
    whoever else answers in its manner at `sms_url`. Empty: text messages go to the development outbox, and production has none.
    """

    smtp_url: str = ""
    smtp_timeout_s: float = 20
    sms_url: str = "https://api.twilio.com"
    sms_account: str = ""
    sms_token: str = ""
    sms_sender: str = ""
    sms_timeout_s: float = 10
    sender: str = "no-reply@plaza.localhost"
    sender_name: str = "Plaza"
    kept_days: float = 90
    undelivered_kept_days: float = 3

    def __post_init__(self) -> None:
        if self.smtp_url:
            smtp_server(self.smtp_url)
        try:
            EmailRecipient(address=self.sender, name=self.sender_name)
        except ValueError:
            raise ValueError("sender must be a bare address, such as no-reply@example.com") from None
        if len({bool(self.sms_account), bool(self.sms_token), bool(self.sms_sender)}) > 1:
            raise ValueError("sms_account, sms_token and sms_sender are given together or not at all")
        if not _SID.fullmatch(self.sms_account or "AC0"):
            raise ValueError("sms_account holds letters and digits only")
        url = urlsplit(self.sms_url)
        if not url.hostname or (url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOCAL)):
            raise ValueError("sms_url must be https://host[:port]")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool
    starttls: bool | None  # None: where the server offers it


def smtp_server(url: str) -> SmtpServer:
    """Raises ValueError, whose text does not show the password."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError("smtp_url must be smtp://, smtp+starttls:// or smtps://[user:password@]host[:port]")
    is_local = parts.hostname in _LOCAL
    # A password does not travel in the clear, whatever the scheme says.
    required = parts.scheme == "smtp+starttls" or (parts.scheme == "smtp" and parts.username and not is_local)
    return SmtpServer(
        host=parts.hostname,
        port=parts.port or _SCHEMES[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=parts.scheme == "smtps",
        starttls=False if parts.scheme == "smtps" else True if required else None,
    )
