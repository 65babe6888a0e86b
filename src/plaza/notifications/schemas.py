"""What others declare and hand over, and what the development outbox shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from urllib.parse import unquote, urlsplit

import msgspec

from plaza.core.messages import JobPayload
from plaza.core.schemas import View
from plaza.domain_events.notifications import NotificationId


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationType:
    """Declared in a context's manifest. `template` is "<context>/<name>": `<name>.txt` and `<name>.html` in that context's templates/.

    `subject` and both templates are Jinja and see the data that `notify` was given; a name that is not in it is an error.
    """

    name: str
    subject: str
    template: str


class EmailRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """Raises ValueError for what could not stand in a header."""

    address: str
    name: str = ""

    def __post_init__(self) -> None:
        user, at, domain = self.address.rpartition("@")
        if not (user and at and domain) or any(not each.isprintable() or each.isspace() for each in self.address):
            raise ValueError("an address is user@domain")
        Address(self.name, user, domain)  # refuses line breaks


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """Rendered and ready; lives in memory only."""

    id: NotificationId
    to: EmailRecipient
    subject: str
    text: str
    html: str
    at: datetime


class Deliver(JobPayload, frozen=True, kw_only=True, tag="notifications.deliver"):
    delivery_id: NotificationId


class OutboxItemView(View, frozen=True, kw_only=True):
    """`to` is the bare address, `body` the plain text."""

    channel: str
    to: str
    subject: str
    body: str
    at: datetime


class OutboxView(View, frozen=True, kw_only=True):
    items: list[OutboxItemView]


_SCHEMES = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class NotificationsSettings(msgspec.Struct, frozen=True):
    """PLAZA_NOTIFICATIONS_*.

    `smtp_url` is smtp://[user:password@]host[:port] (encrypted where the server offers it), smtp+starttls://... (never unencrypted) or
    smtps://... (encrypted from the start). Empty: mail goes to the development outbox, and production does not start.
    """

    smtp_url: str = ""
    smtp_timeout_s: float = 20
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
    is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
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
