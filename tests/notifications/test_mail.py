"""Mail over a real connection, and what a mail server's answers mean."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import aiosmtplib
import pytest

from plaza.core.db import Database
from plaza.core.jobs import Jobs
from plaza.core.service import OutsideCallInTransaction
from plaza.core.settings import PlazaSettings, SettingsError
from plaza.domain_events.notifications import NotificationId
from plaza.notifications import EmailRecipient, NotificationsSettings
from plaza.notifications.gateways import DeliveryRefused, DevelopmentOutbox, MailGateway, SmtpGateway, mail_gateway
from plaza.notifications.schemas import Mail, smtp_server

from .conftest import Rows
from .mail_server import MailServer, self_signed

MAIL = Mail(
    id=NotificationId(UUID("0198c0de-0000-7000-8000-000000000001")),
    to=EmailRecipient(address="ada@example.com", name="Ada, Countess"),
    subject="Grüße\r\nBcc: eve@example.com",
    text="Your code is 123456.\n",
    html="<p>Your code is <b>123456</b>.</p>",
    at=datetime(2024, 5, 1, 12, tzinfo=UTC),
)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer().running() as server:
        yield server


def gateway(server: MailServer, scheme: str = "smtp", login: str = "") -> SmtpGateway:
    url = f"{scheme}://{login}127.0.0.1:{server.port}"
    return SmtpGateway(NotificationsSettings(smtp_url=url, sender="no-reply@plaza.example", smtp_timeout_s=10))


async def test_a_mail_arrives_as_it_was_meant(server: MailServer) -> None:
    message_id = await gateway(server).send(MAIL)
    (mail,) = server.mails
    assert server.recipients == [["ada@example.com"]]
    assert mail["From"] == "Plaza <no-reply@plaza.example>"
    assert mail["To"].addresses[0].display_name == "Ada, Countess"
    assert mail["Subject"] == "Grüße Bcc: eve@example.com"
    assert mail["Bcc"] is None
    assert message_id == mail["Message-ID"] == "<0198c0de-0000-7000-8000-000000000001@plaza.example>"
    assert mail["Date"].datetime == MAIL.at
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == ["Your code is 123456."]
    assert "<b>123456</b>" in html.get_content()


async def test_the_same_mail_has_the_same_id(server: MailServer) -> None:
    for _ in range(2):
        await gateway(server).send(MAIL)
    assert len(set(server.ids)) == 1


@pytest.mark.parametrize("reply", ["550 5.1.1 No such user", "550 unknown mailbox", "553 no", "552 5.2.2 Mailbox full"])
async def test_a_missing_mailbox_is_final(server: MailServer, reply: str) -> None:
    server.recipient_replies = [reply]
    with pytest.raises(DeliveryRefused, match=reply[:3]):
        await gateway(server).send(MAIL)
    assert server.mails == []


@pytest.mark.parametrize("reply", ["450 4.2.1 greylisted", "550 5.7.1 relaying denied", "554 no"])
async def test_another_refusal_is_worth_another_try(server: MailServer, reply: str) -> None:
    server.recipient_replies = [reply]
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await gateway(server).send(MAIL)
    await gateway(server).send(MAIL)
    assert len(server.mails) == 1


async def test_refused_content_is_worth_another_try(server: MailServer) -> None:
    server.data_replies = ["451 4.3.0 not now"]
    with pytest.raises(aiosmtplib.SMTPDataError):
        await gateway(server).send(MAIL)


async def test_a_server_that_is_away_or_silent_is_worth_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(aiosmtplib.SMTPTimeoutError):
            await SmtpGateway(NotificationsSettings(smtp_url=url, smtp_timeout_s=0.2)).send(MAIL)
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await SmtpGateway(NotificationsSettings(smtp_url=url)).send(MAIL)


async def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    async with MailServer().running(tls_context=self_signed(tmp_path)) as server:
        for scheme in ("smtp+starttls", "smtp"):
            with pytest.raises(ssl.SSLCertVerificationError):
                await gateway(server, scheme).send(MAIL)
        assert server.mails == []


async def test_mail_is_encrypted_where_the_server_offers_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with MailServer().running(tls_context=self_signed(tmp_path)) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        for scheme in ("smtp+starttls", "smtp"):
            await gateway(server, scheme).send(MAIL)
        assert server.encrypted == [True, True]


async def test_a_password_never_travels_in_the_clear() -> None:
    """A server elsewhere that does not offer encryption is not logged in to."""
    assert smtp_server("smtp://ada:secret@mail.example.com").starttls is True
    assert smtp_server("smtp://mail.example.com").starttls is None
    assert smtp_server("smtps://ada:secret@mail.example.com").tls is True


async def test_starttls_is_required_where_the_url_says_so(server: MailServer) -> None:
    with pytest.raises(aiosmtplib.SMTPException):
        await gateway(server, "smtp+starttls").send(MAIL)
    assert server.mails == []


async def test_it_logs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = MailServer()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    async with server.running(authenticator=server.authenticate, auth_required=True, tls_context=self_signed(tmp_path)):
        await gateway(server, login="ada:right%20p%40ss@").send(MAIL)
        assert server.logins == [("ada", "right p@ss")]
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await gateway(server, login="ada:wrong@").send(MAIL)
    assert len(server.mails) == 1


async def test_the_development_outbox_takes_each_mail_once(jobs: Jobs, rows: Rows) -> None:
    outbox = DevelopmentOutbox(NotificationsSettings(), jobs.parts[Database])
    for _ in range(3):
        await outbox.send(MAIL)
    (item,) = await rows("select * from notifications_outbox_item")
    assert (item.recipient, item.body) == ("ada@example.com", "Your code is 123456.\n")


async def test_no_gateway_is_called_inside_a_transaction(jobs: Jobs, server: MailServer) -> None:
    db = jobs.parts[Database]

    async def body() -> None:
        await gateway(server).send(MAIL)

    with pytest.raises(OutsideCallInTransaction):
        await db.run(body)  # type: ignore[arg-type] # it never answers
    assert server.mails == []


def test_production_has_a_mail_server_or_does_not_start(jobs: Jobs) -> None:
    production = PlazaSettings(env="production", secret_key="x" * 40, public_url="https://plaza.example")
    db = jobs.parts[Database]
    with pytest.raises(SettingsError, match="PLAZA_NOTIFICATIONS_SMTP_URL"):
        mail_gateway(NotificationsSettings(), production, db)
    made: MailGateway = mail_gateway(NotificationsSettings(smtp_url="smtps://mail.example.com"), production, db)
    assert isinstance(made, SmtpGateway)


@pytest.mark.parametrize("url", ["http://mail.example.com", "smtp://", "mail.example.com:25"])
def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"smtp_url must be") as told:
        NotificationsSettings(smtp_url=url)
    assert url not in str(told.value) or url == "smtp://"
