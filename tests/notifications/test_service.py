from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import NotFound
from plaza.core.ids import uuid7
from plaza.core.jobs import Jobs, JobService
from plaza.core.jobs.store import JobStore
from plaza.core.personal_data import Person
from plaza.core.result import Failure, ServiceResult, failure, success
from plaza.core.service import OutsideCallInTransaction, Service, command
from plaza.domain_events.notifications import NotificationId
from plaza.notifications import (
    EmailRecipient,
    InAppRecipient,
    NotificationService,
    SmsRecipient,
    UnknownNotification,
)
from plaza.notifications.gateways import DeliveryRefused, InAppGateway
from plaza.notifications.schemas import InAppMessage, Mail, NotificationView, TextMessage
from tests.support.clock import ManualClock
from tests.support.jobs import runner_of, working
from tests.support.waiting import eventually

from .conftest import Rows

ADA = EmailRecipient(address="ada@example.com", name="Ada")
ADAS_PHONE = SmsRecipient(phone="+4915112345678")


class Shop(Service):
    def __init__(self, db: Database, notifications: NotificationService) -> None:
        super().__init__(db)
        self.notifications = notifications

    @command(NotFound)
    async def sell(self, code: str, *, refused: bool = False) -> ServiceResult[None]:
        (await self.notifications.notify("shop.code", ADA, {"name": "Ada", "code": code})).unwrap()
        return failure(NotFound()) if refused else success(None)


@pytest.fixture
def shop(jobs: Jobs, service: NotificationService) -> Shop:
    return Shop(jobs.parts[Database], service)


async def sent(rows: Rows) -> bool:
    return not await rows("select 1 from notifications_delivery where state = 'queued'")


async def first(rows: Rows, statement: str, **parameters: Any) -> Any:
    """The first row, once there is one."""
    found: list[Any] = []

    async def look() -> bool:
        found[:] = await rows(statement, **parameters)
        return bool(found)

    await eventually(look)
    return found[0]


async def test_it_goes_out_if_and_only_if_the_caller_commits(
    jobs: Jobs, shop: Shop, service: NotificationService, rows: Rows
) -> None:
    assert isinstance(await shop.sell("111111", refused=True), Failure)
    (await shop.sell("222222")).unwrap()
    async with working(jobs):
        await eventually(lambda: sent(rows))
    (item,) = (await service.outbox()).unwrap().items
    assert (item.channel, item.to, item.subject) == ("email", "ada@example.com", "Code for Ada")
    assert item.body == "Hello Ada, your code is 222222.\n"


async def test_what_it_says_is_sealed_on_its_way_and_gone_afterwards(jobs: Jobs, shop: Shop, rows: Rows) -> None:
    (await shop.sell("123456")).unwrap()
    tables = ("core_job", "core_job_step", "notifications_delivery")

    async def everything() -> str:
        return str([await rows(f"select * from {table}") for table in tables])

    assert "123456" not in await everything()
    (before,) = await rows("select data from notifications_delivery")
    assert len(before.data) > 20
    async with working(jobs):
        await eventually(lambda: sent(rows))
    assert "123456" not in await everything()
    (after,) = await rows("select state, data, message_id, id from notifications_delivery")
    assert (after.state, after.data) == ("sent", None)
    assert after.message_id == f"<{after.id}@plaza.localhost>"


async def test_the_newest_come_first(jobs: Jobs, shop: Shop, service: NotificationService, rows: Rows) -> None:
    async with working(jobs):
        for code in ("000001", "000002", "000003"):
            (await shop.sell(code)).unwrap()
            await eventually(lambda: sent(rows))
    assert [item.body[-8:-2] for item in (await service.outbox()).unwrap().items] == ["000003", "000002", "000001"]


async def test_an_undeclared_type_is_refused_where_it_is_written(service: NotificationService, rows: Rows) -> None:
    with pytest.raises(UnknownNotification, match=r"shop\.other"):
        await service.notify("shop.other", ADA, {})
    assert await rows("select 1 from notifications_delivery") == []


async def test_a_text_message_goes_the_same_way(jobs: Jobs, service: NotificationService, rows: Rows) -> None:
    (await service.notify("shop.code", ADAS_PHONE, {"code": "654321"})).unwrap()
    assert "654321" not in str(await rows("select * from notifications_delivery"))
    async with working(jobs):
        await eventually(lambda: sent(rows))
    (item,) = (await service.outbox()).unwrap().items
    assert (item.channel, item.to, item.subject, item.body) == ("sms", ADAS_PHONE.phone, "", "654321 is your code.")
    (delivery,) = await rows("select id, channel, data, message_id from notifications_delivery")
    assert (delivery.channel, delivery.data, delivery.message_id) == ("sms", None, str(delivery.id))


async def test_a_type_goes_by_its_channels_only(service: NotificationService, rows: Rows) -> None:
    with pytest.raises(UnknownNotification, match=r"shop\.broken by sms"):
        await service.notify("shop.broken", ADAS_PHONE, {})
    with pytest.raises(UnknownNotification, match=r"shop\.text by email"):
        await service.notify("shop.text", ADA, {})
    assert await rows("select 1 from notifications_delivery") == []


async def test_a_refused_phone_ends_the_delivery(jobs: Jobs, service: NotificationService, rows: Rows) -> None:
    class Landline:
        async def send(self, message: TextMessage) -> str:
            raise DeliveryRefused("21614 not a mobile number")

    service.sms = Landline()
    (await service.notify("shop.code", ADAS_PHONE, {"code": "123456"})).unwrap()
    async with working(jobs):
        await eventually(lambda: sent(rows))
    (delivery,) = await rows("select state, data, error from notifications_delivery")
    assert (delivery.state, delivery.data, delivery.error) == ("failed", None, "21614 not a mobile number")


async def test_what_comes_too_late_is_not_sent(
    jobs: Jobs, service: NotificationService, rows: Rows, clock: ManualClock
) -> None:
    for minutes in (10, 20):
        good_for = timedelta(minutes=minutes)
        (await service.notify("shop.code", ADAS_PHONE, {"code": f"{minutes}"}, good_for=good_for)).unwrap()
    clock.advance(timedelta(minutes=10))
    async with working(jobs):
        await eventually(lambda: sent(rows))
    assert [item.body for item in (await service.outbox()).unwrap().items] == ["20 is your code."]
    (late,) = await rows("select data, error from notifications_delivery where state = 'failed'")
    assert (late.data, late.error) == (None, "too late")


async def test_the_provider_is_told_how_long_a_text_is_good_for(
    jobs: Jobs, service: NotificationService, rows: Rows, clock: ManualClock
) -> None:
    told: list[int | None] = []

    class Provider:
        async def send(self, message: TextMessage) -> str:
            told.append(message.good_for_s)
            return "SM1"

    service.sms = Provider()
    (await service.notify("shop.code", ADAS_PHONE, {"code": "1"}, good_for=timedelta(minutes=10))).unwrap()
    clock.advance(timedelta(minutes=1))
    async with working(jobs):
        await eventually(lambda: sent(rows))
    assert told == [540]


async def test_what_cannot_be_rendered_is_kept_for_another_try(
    jobs: Jobs, service: NotificationService, rows: Rows
) -> None:
    (await service.notify("shop.broken", ADA, {})).unwrap()

    async def failed() -> bool:
        return bool(await rows("select 1 from core_job where failures = 1 and error like 'UndefinedError%'"))

    async with working(jobs):
        await eventually(failed)
    (delivery,) = await rows("select state, data from notifications_delivery")
    assert delivery.state == "queued"
    assert delivery.data is not None


async def test_what_three_tries_could_not_send_staff_send_later(
    jobs: Jobs, shop: Shop, service: NotificationService, rows: Rows, clock: ManualClock
) -> None:
    """The second try is after a mail server's restart, the third after its greylisting and before a code of ten minutes ends."""

    class Greylisting:
        tries = 0

        async def send(self, mail: Mail) -> str:
            self.tries += 1
            raise ConnectionResetError("450 4.2.1 greylisted")

    working_mail, greylisting = service.mail, Greylisting()
    service.mail, began = greylisting, clock.now()
    (await shop.sell("123456")).unwrap()
    async with working(jobs):
        for earliest_s, latest_s in ((20, 40), (300, 600)):
            waiting = "select run_at from core_job where failures > 0 and run_at > :now"
            again_at = (await first(rows, waiting, now=clock.now())).run_at
            assert earliest_s < (again_at - began).total_seconds() < latest_s
            clock.advance(again_at - clock.now())
        dead = await first(rows, "select id, error from core_job where state = 'dead'")
        assert (greylisting.tries, dead.error) == (3, "ConnectionResetError: 450 4.2.1 greylisted")

        service.mail = working_mail
        clock.advance(timedelta(days=1))
        (await jobs.parts[JobService].retry(dead.id)).unwrap()
        await eventually(lambda: sent(rows))
    (item,) = (await service.outbox()).unwrap().items
    assert item.body == "Hello Ada, your code is 123456.\n"


async def test_a_refused_mailbox_ends_the_delivery_and_its_job(
    jobs: Jobs, shop: Shop, service: NotificationService, rows: Rows
) -> None:
    class NoSuchMailbox:
        async def send(self, mail: Mail) -> str:
            raise DeliveryRefused("550 no such user")

    service.mail = NoSuchMailbox()
    (await shop.sell("123456")).unwrap()
    async with working(jobs):
        await eventually(lambda: sent(rows))
        await eventually(
            lambda: rows("select 1 from core_job where handler = 'notifications.deliver' and state = 'done'")
        )
    (delivery,) = await rows("select state, data, error from notifications_delivery")
    assert (delivery.state, delivery.data, delivery.error) == ("failed", None, "550 no such user")


async def test_a_worker_that_lost_its_lease_does_not_send(jobs: Jobs, shop: Shop, service: NotificationService) -> None:
    """It slept through its lease, before it had sent anything."""
    (await shop.sell("123456")).unwrap()
    store, entries = JobStore(jobs.parts[Database], service.clock, -1), list(jobs.registry.entries.values())
    (old,) = await store.lease("mail", entries, 10)
    await store.take_back()
    (new,) = await store.lease("mail", entries, 10)
    runner = runner_of(jobs, store)
    assert await runner.run(old) == "lost"
    assert (await service.outbox()).unwrap().items == []
    assert await runner.run(new) == "done"
    assert len((await service.outbox()).unwrap().items) == 1


async def test_undelivered_data_goes_after_days_and_deliveries_after_months(
    shop: Shop, service: NotificationService, rows: Rows, clock: ManualClock
) -> None:
    (await shop.sell("123456")).unwrap()
    clock.advance(timedelta(days=2))
    assert (await service.purge()).unwrap() == 0
    clock.advance(timedelta(days=2))
    assert (await service.purge()).unwrap() == 1
    (delivery,) = await rows("select id, state, data from notifications_delivery")
    assert (delivery.state, delivery.data) == ("failed", None)
    (await service.deliver(delivery.id)).unwrap()
    assert (await service.outbox()).unwrap().items == [], "its job, retried later, finds nothing to send"
    clock.advance(timedelta(days=90))
    assert (await service.purge()).unwrap() == 1
    assert await rows("select 1 from notifications_delivery") == []


class Devices:
    """Of the gateway to open sockets; it may die between telling them and saying so."""

    def __init__(self, *, deaths: int = 0) -> None:
        self.told: list[InAppMessage] = []
        self.deaths = deaths

    async def send(self, message: InAppMessage) -> str:
        self.told.append(message)
        if len(self.told) <= self.deaths:
            raise ConnectionError
        return str(message.notification.id)


async def test_in_the_app_it_is_sealed_on_its_way_too(jobs: Jobs, service: NotificationService, rows: Rows) -> None:
    service.in_app = devices = Devices()
    to = InAppRecipient(user_id=uuid7())
    id = (await service.notify("shop.sold", to, {"name": "Ada", "code": "654321"})).unwrap()
    assert "654321" not in str(await rows("select * from notifications_delivery"))
    async with working(jobs):
        await eventually(lambda: sent(rows))
    (delivery,) = await rows("select channel, recipient, data, message_id from notifications_delivery")
    assert tuple(delivery) == ("in_app", str(to.user_id), None, str(id))
    shown = NotificationView(
        id=id, kind="shop.sold", title="Sold to Ada", text="Yours is 654321.", created_at=service.clock.now()
    )
    assert devices.told == [InAppMessage(to=to, notification=shown)]
    assert (await service.outbox()).unwrap().items == []


async def test_told_again_after_a_death_it_is_the_same_notification(service: NotificationService, rows: Rows) -> None:
    service.in_app = devices = Devices(deaths=1)
    to = InAppRecipient(user_id=uuid7())
    id = (await service.notify("shop.sold", to, {"name": "Ada", "code": "1"})).unwrap()
    with pytest.raises(ConnectionError):
        await service.deliver(id)
    (await service.deliver(id)).unwrap()
    (await service.deliver(id)).unwrap()
    first, second = devices.told
    assert first == second
    assert first.notification.id == id


async def test_old_news_is_not_told(service: NotificationService, rows: Rows, clock: ManualClock) -> None:
    service.in_app = devices = Devices()
    to = InAppRecipient(user_id=uuid7())
    data = {"name": "Ada", "code": "1"}
    id = (await service.notify("shop.sold", to, data, good_for=timedelta(minutes=5))).unwrap()
    clock.advance(timedelta(hours=1))
    (await service.deliver(id)).unwrap()
    assert devices.told == []
    (late,) = await rows("select state, data, error from notifications_delivery")
    assert tuple(late) == ("failed", None, "too late")


async def test_sockets_are_not_spoken_to_inside_a_transaction(jobs: Jobs) -> None:
    """What is rolled back is told to nobody."""
    shown = NotificationView(id=NotificationId(uuid7()), kind="", title="", text="", created_at=jobs.parts[Clock].now())
    message = InAppMessage(to=InAppRecipient(user_id=uuid7()), notification=shown)

    async def body() -> ServiceResult[None]:
        with pytest.raises(OutsideCallInTransaction):
            await jobs.parts[InAppGateway].send(message)
        return success(None)

    (await jobs.parts[Database].run(body)).unwrap()


async def test_what_devices_were_told_is_theirs_to_take_along_and_goes_with_them(
    service: NotificationService, rows: Rows
) -> None:
    service.in_app = Devices()
    ada, grace = uuid7(), uuid7()
    for each in (ada, grace, ada):
        to = InAppRecipient(user_id=each)
        (await service.notify("shop.sold", to, {"name": "Ada", "code": "1"})).unwrap()
    (messages,) = [piece async for piece in service.export(Person(ada))]
    exported = [msgspec.json.decode(line) async for line in messages.content]
    assert [(each["kind"], each["channel"], each["recipient"]) for each in exported] == [
        ("shop.sold", "in_app", str(ada))
    ] * 2
    assert (await service.erase(Person(ada))).unwrap().counts["messages"] == 2
    assert [row.recipient for row in await rows("select recipient from notifications_delivery")] == [str(grace)]
