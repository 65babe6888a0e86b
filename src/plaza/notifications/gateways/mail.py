"""Mail over SMTP."""

from __future__ import annotations

import re
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import aiosmtplib

from plaza.core.service import outside
from plaza.notifications.gateways.ports import DeliveryRefused
from plaza.notifications.schemas import Mail, NotificationsSettings, smtp_server

# "No such mailbox", where the server does not say so with an enhanced code (RFC 3463: 5.1 address, 5.2 mailbox).
_NO_SUCH_MAILBOX = frozenset({550, 551, 553})
_ENHANCED = re.compile(r"\s*5\.(\d{1,3})\.\d{1,3}\b")


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
                    raise DeliveryRefused(f"{each.code} {each.message}") from error
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


def _address(address: str, name: str) -> Address:
    user, _, domain = address.rpartition("@")
    return Address(name, user, domain)


def _is_final(code: int, message: str) -> bool:
    enhanced = _ENHANCED.match(message)
    return enhanced[1] in ("1", "2") if enhanced else code in _NO_SUCH_MAILBOX
