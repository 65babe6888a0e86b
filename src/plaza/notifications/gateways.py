"""Where mail goes: a mail server, or in development a table that a page shows."""

from __future__ import annotations

import re
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Protocol

import aiosmtplib
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from plaza.core.db import Database
from plaza.core.service import outside
from plaza.core.settings import PlazaSettings, SettingsError
from plaza.notifications.models import OutboxItem
from plaza.notifications.schemas import Mail, NotificationsSettings, smtp_server

# "No such mailbox", where the server does not say so with an enhanced code (RFC 3463: 5.1 address, 5.2 mailbox).
_NO_SUCH_MAILBOX = frozenset({550, 551, 553})
_ENHANCED = re.compile(r"\s*5\.(\d{1,3})\.\d{1,3}\b")
_OUTBOX_KEEPS = 5_000


class MailRefused(Exception):
    """The recipient's server will never take this mail: there is no such mailbox. Everything else is worth another try."""


class MailGateway(Protocol):
    async def send(self, mail: Mail) -> str:
        """The Message-ID, the same each time the same mail is sent. Raises MailRefused; any other exception means "unknown"."""
        ...


def mail_gateway(settings: NotificationsSettings, plaza: PlazaSettings, db: Database) -> MailGateway:
    """Raises SettingsError: production has a mail server, or it does not start."""
    if settings.smtp_url:
        return SmtpGateway(settings)
    if plaza.is_production:
        raise SettingsError("PLAZA_NOTIFICATIONS_SMTP_URL must name a mail server in production")
    return DevelopmentOutbox(settings, db)


def message_id(mail: Mail, settings: NotificationsSettings) -> str:
    return f"<{mail.id}@{settings.sender.rpartition('@')[2]}>"


class SmtpGateway:
    """A connection per mail."""

    def __init__(self, settings: NotificationsSettings) -> None:
        self.settings, self.server = settings, smtp_server(settings.smtp_url)

    @outside
    async def send(self, mail: Mail) -> str:
        server = self.server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.tls,
            start_tls=server.starttls,
            timeout=self.settings.smtp_timeout_s,
            local_hostname=self.settings.sender.rpartition("@")[2],
        )
        try:
            await client.connect()
            await client.send_message(self.message(mail), sender=self.settings.sender, recipients=[mail.to.address])
            with suppress(aiosmtplib.SMTPException):
                await client.quit()
        except aiosmtplib.SMTPRecipientsRefused as error:
            for each in error.recipients:
                if _is_final(each.code, each.message):
                    raise MailRefused(f"{each.code} {each.message}") from error
            raise
        finally:
            client.close()  # not `async with`: a worker that stops would wait for the answer to its goodbye
        return message_id(mail, self.settings)

    def message(self, mail: Mail) -> EmailMessage:
        """Headers are made from parsed addresses and a single-line subject, so that no data can add one."""
        message = EmailMessage(policy=SMTP)
        message["From"] = _address(self.settings.sender, self.settings.sender_name)
        message["To"] = _address(mail.to.address, mail.to.name)
        message["Subject"] = " ".join(mail.subject.split())
        message["Date"] = format_datetime(mail.at)
        message["Message-ID"] = message_id(mail, self.settings)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message


class DevelopmentOutbox:
    """Exactly once: the delivery's id is unique in the table."""

    def __init__(self, settings: NotificationsSettings, db: Database) -> None:
        self.settings, self.db = settings, db

    @outside
    async def send(self, mail: Mail) -> str:
        row = {
            "delivery_id": mail.id,
            "channel": "email",
            "recipient": mail.to.address,
            "subject": mail.subject,
            "body": mail.text,
            "at": mail.at,
        }
        oldest = select(OutboxItem.id).order_by(OutboxItem.id.desc()).offset(_OUTBOX_KEEPS).limit(1).scalar_subquery()
        async with self.db.engine.begin() as connection:
            await connection.execute(insert(OutboxItem).values(row).on_conflict_do_nothing())
            await connection.execute(delete(OutboxItem).where(OutboxItem.id <= oldest))
        return message_id(mail, self.settings)


def _address(address: str, name: str) -> Address:
    user, _, domain = address.rpartition("@")
    return Address(name, user, domain)


def _is_final(code: int, message: str) -> bool:
    enhanced = _ENHANCED.match(message)
    return enhanced[1] in ("1", "2") if enhanced else code in _NO_SUCH_MAILBOX
