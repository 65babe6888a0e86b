"""Text messages over a real connection, and what a provider's answers mean."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from msgspec.structs import replace

from plaza.core.db import Database
from plaza.core.jobs import Jobs
from plaza.core.service import OutsideCallInTransaction
from plaza.core.settings import PlazaSettings
from plaza.domain_events.notifications import NotificationId
from plaza.notifications import NotificationService, NotificationsSettings, SmsRecipient
from plaza.notifications.gateways import DeliveryRefused, DevelopmentOutbox, NoSmsGateway, TwilioGateway, sms_gateway
from plaza.notifications.gateways.sms import SmsNotSent
from plaza.notifications.schemas import TextMessage
from tests.support.clock import ManualClock
from tests.support.jobs import working
from tests.support.waiting import eventually

from .conftest import Rows
from .mail_server import self_signed
from .sms_server import ACCOUNT, TOKEN, SmsServer

MESSAGE = TextMessage(
    id=NotificationId(UUID("0198c0de-0000-7000-8000-000000000001")),
    to=SmsRecipient(phone="+4915112345678"),
    text="Grüße & 123456 = ✓",
    at=datetime(2024, 5, 1, 12, tzinfo=UTC),
)


@pytest.fixture
async def server() -> AsyncIterator[SmsServer]:
    async with SmsServer().running() as server:
        yield server


def configured(server: SmsServer, scheme: str = "http") -> NotificationsSettings:
    return NotificationsSettings(
        sms_url=f"{scheme}://127.0.0.1:{server.port}",
        sms_account=ACCOUNT,
        sms_token=TOKEN,
        sms_sender="+15005550006",
        sms_timeout_s=10,
    )


async def test_a_message_arrives_as_it_was_meant(server: SmsServer) -> None:
    assert await TwilioGateway(configured(server)).send(MESSAGE) == f"SM{1:032x}"
    (posted,) = server.posted
    assert posted.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert posted.form == {"To": "+4915112345678", "From": "+15005550006", "Body": "Grüße & 123456 = ✓"}
    assert posted.headers["idempotency-key"] == str(MESSAGE.id)


@pytest.mark.parametrize(("good_for_s", "told"), [(540, "540"), (0, "1"), (86_400, "14400")])
async def test_the_provider_stops_trying_in_time(server: SmsServer, good_for_s: int, told: str) -> None:
    await TwilioGateway(configured(server)).send(replace(MESSAGE, good_for_s=good_for_s))
    assert server.accepted[0]["ValidityPeriod"] == told


async def test_a_messaging_service_chooses_the_sender(server: SmsServer) -> None:
    service = "MG" + "0" * 32
    await TwilioGateway(replace(configured(server), sms_sender=service)).send(MESSAGE)
    (sent,) = server.accepted
    assert sent["MessagingServiceSid"] == service
    assert "From" not in sent


@pytest.mark.parametrize("code", [21211, 21610, 21614, 21635])
async def test_what_is_wrong_with_the_recipient_is_final(server: SmsServer, code: int) -> None:
    server.problem(400, code, "The 'To' number is not for texts.")
    with pytest.raises(DeliveryRefused, match=f"{code} The 'To' number"):
        await TwilioGateway(configured(server)).send(MESSAGE)
    assert server.accepted == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 21408), (400, 30001), (401, 20003), (403, 20006), (429, 20429), (500, 20500), (503, 21211)],
)
async def test_another_refusal_is_worth_another_try(server: SmsServer, status: int, code: int) -> None:
    server.problem(status, code, "Body 123456 not now")
    gateway = TwilioGateway(configured(server))
    with pytest.raises(SmsNotSent, match=f"{status}, code {code}$") as told:
        await gateway.send(MESSAGE)
    assert "123456" not in str(told.value)
    await gateway.send(MESSAGE)
    assert len(server.accepted) == 1


@pytest.mark.parametrize("reply", [(201, "<html>"), (200, "{}"), (302, ""), (502, "<html>"), (400, "[]"), (404, "")])
async def test_an_answer_that_no_provider_gives_means_nothing(server: SmsServer, reply: tuple[int, str]) -> None:
    server.replies = [reply]
    with pytest.raises(SmsNotSent):
        await TwilioGateway(configured(server)).send(MESSAGE)
    assert len(server.posted) == 1


async def test_a_message_that_was_not_taken_is_tried_again_under_the_same_id(
    server: SmsServer, jobs: Jobs, service: NotificationService, rows: Rows, clock: ManualClock
) -> None:
    """And nothing of it stands in the job that failed."""
    service.sms = TwilioGateway(configured(server))
    server.problem(503, 20503, "Body 654321 not now")
    (await service.notify("shop.code", MESSAGE.to, {"code": "654321"})).unwrap()
    async with working(jobs):
        await eventually(lambda: rows("select 1 from core_job where failures = 1"))
        (failed,) = await rows("select * from core_job where failures > 0")
        assert "SmsNotSent" in failed.error
        assert "654321" not in str(failed)
        clock.advance(timedelta(minutes=5))
        await eventually(lambda: rows("select 1 from notifications_delivery where state = 'sent'"))
    assert server.accepted == [{"To": MESSAGE.to.phone, "From": "+15005550006", "Body": "654321 is your code."}]
    (delivery,) = await rows("select id, message_id from notifications_delivery")
    assert [each.headers["idempotency-key"] for each in server.posted] == [str(delivery.id)] * 2
    assert delivery.message_id == f"SM{1:032x}"


async def test_wrong_credentials_are_worth_another_try(server: SmsServer) -> None:
    with pytest.raises(SmsNotSent, match="401, code 20003"):
        await TwilioGateway(replace(configured(server), sms_token="another")).send(MESSAGE)


async def test_a_provider_that_is_away_or_silent_is_worth_another_try(server: SmsServer) -> None:
    server.mute = True
    with pytest.raises(httpx2.ReadTimeout):
        await TwilioGateway(replace(configured(server), sms_timeout_s=0.2)).send(MESSAGE)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        server.port = closed.getsockname()[1]
    with pytest.raises(httpx2.ConnectError):
        await TwilioGateway(configured(server)).send(MESSAGE)


async def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    async with SmsServer().running(tls=self_signed(tmp_path)) as server:
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await TwilioGateway(configured(server, "https")).send(MESSAGE)
        assert server.posted == []


async def test_nothing_of_a_message_is_logged(server: SmsServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await TwilioGateway(configured(server)).send(MESSAGE)
        server.problem(500, 20500, "no")
        with pytest.raises(SmsNotSent):
            await TwilioGateway(configured(server)).send(MESSAGE)
    for secret in ("123456", MESSAGE.to.phone, TOKEN):
        assert secret not in caplog.text


async def test_the_development_outbox_takes_each_message_once(jobs: Jobs, rows: Rows) -> None:
    outbox = DevelopmentOutbox(NotificationsSettings(), jobs.parts[Database])
    for _ in range(3):
        await outbox.send(MESSAGE)
    (item,) = await rows("select * from notifications_outbox_item")
    assert (item.channel, item.recipient, item.subject, item.body) == ("sms", MESSAGE.to.phone, "", MESSAGE.text)


async def test_no_gateway_is_called_inside_a_transaction(jobs: Jobs, server: SmsServer) -> None:
    async def body() -> None:
        await TwilioGateway(configured(server)).send(MESSAGE)

    with pytest.raises(OutsideCallInTransaction):
        await jobs.parts[Database].run(body)  # type: ignore[arg-type] # it never answers
    assert server.posted == []


async def test_production_may_do_without_text_messages(jobs: Jobs, service: NotificationService) -> None:
    production = PlazaSettings(env="production", secret_key="x" * 40, public_url="https://plaza.example")
    db = jobs.parts[Database]
    assert isinstance(sms_gateway(NotificationsSettings(), PlazaSettings(), db), DevelopmentOutbox)
    given = NotificationsSettings(sms_account=ACCOUNT, sms_token=TOKEN, sms_sender="Plaza")
    assert isinstance(sms_gateway(given, production, db), TwilioGateway)
    none = sms_gateway(NotificationsSettings(), production, db)
    assert isinstance(none, NoSmsGateway)
    with pytest.raises(DeliveryRefused):
        await none.send(MESSAGE)

    assert service.can_send("sms")
    service.sms = none
    assert not service.can_send("sms")
    assert service.can_send("email")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sms_account": ACCOUNT}, "sms_account, sms_token and sms_sender"),
        ({"sms_token": TOKEN, "sms_sender": "Plaza"}, "sms_account, sms_token and sms_sender"),
        ({"sms_account": "../AC", "sms_token": TOKEN, "sms_sender": "Plaza"}, "sms_account holds"),
        ({"sms_url": "http://sms.example.com"}, "sms_url must be"),
        ({"sms_url": "sms.example.com"}, "sms_url must be"),
    ],
)
def test_wrong_settings_are_told(given: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told) as error:
        NotificationsSettings(**given)  # type: ignore[arg-type] # all of them are texts
    assert TOKEN not in str(error.value)
