"""Who is told that something which guards their account was changed, and where."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from plaza.core.origin import coming_from
from plaza.identity import Origin
from plaza.identity.schemas import CodeInput, EmailInput
from plaza.identity.service import Change, EmailChangeService, SecurityNotices
from tests.chat.lines import line, settled
from tests.identity.builders import ELSEWHERE, HERE, a_person, codes_to, jobs_done, links_to, logged_in, mails_to
from tests.support.stage import Stage
from tests.support.statements import statements


async def outbox(plaza: Stage) -> list[tuple[str, str]]:
    async with plaza.runtime.db.reader.connect() as connection:
        rows = await connection.execute(text("select channel, recipient from notifications_outbox_item"))
        return [(row.channel, row.recipient) for row in rows]


async def test_by_mail_with_when_and_from_where(plaza: Stage) -> None:
    ada = await a_person(plaza)
    with coming_from("203.0.113.9", HERE.user_agent):
        (await plaza[SecurityNotices].tell(ada.id, Change.PASSKEY_ADDED, detail="<b>Laptop</b>")).unwrap()
    (mail,) = await mails_to(plaza, ada.email)
    assert mail["subject"] == f"Plaza: {Change.PASSKEY_ADDED}"
    for told in ("<b>Laptop</b>", "Firefox on Linux, 203.0.113.9", plaza.clock.now().strftime("%Y-%m-%d %H:%M UTC")):
        assert told in mail["body"]


async def test_by_text_message_where_there_is_no_address(plaza: Stage) -> None:
    ada = await a_person(plaza)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(
            text(
                "update identity_user set phone = '+4915123456789', phone_verified_at = email_verified_at,"
                " email = null, email_verified_at = null"
            )
        )
    (await plaza[SecurityNotices].tell(ada.id, Change.PASSKEY_REMOVED)).unwrap()
    await jobs_done(plaza)
    assert await outbox(plaza) == [("sms", "+4915123456789")]


async def test_nowhere_without_a_proved_contact(plaza: Stage) -> None:
    ada = await a_person(plaza)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text("update identity_user set status = 'pending', email_verified_at = null"))
    (await plaza[SecurityNotices].tell(ada.id, Change.PASSWORD_CHANGED)).unwrap()
    await jobs_done(plaza)
    assert await outbox(plaza) == []


def told(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["notification"] for each in frames if each["type"] == "notification.new"]


async def test_open_devices_are_shown_what_happened_and_when(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com", name="Grace")
    async with line(plaza, ada.actor) as socket, line(plaza, grace.actor) as another:
        with coming_from("203.0.113.9", HERE.user_agent):
            (await plaza[SecurityNotices].tell(ada.id, Change.PASSKEY_ADDED, detail="<b>Laptop</b>")).unwrap()
        shown = (await socket.next("notification.new"))["notification"]
        await jobs_done(plaza)
        assert (shown["kind"], shown["title"]) == ("identity.security_notice", Change.PASSKEY_ADDED)
        what, when, advice = shown["text"].splitlines()
        at = plaza.clock.now().strftime("%Y-%m-%d %H:%M UTC")
        assert "change your password" in advice
        assert (what, when) == ("<b>Laptop</b>", f"{at}, Firefox on Linux")
        assert "203.0.113.9" not in str(shown), "who has stolen a session need not know whence the owner comes"
        assert told(await settled(another)) == []


async def test_the_link_that_undoes_a_new_address_is_for_the_mailbox_only(plaza: Stage) -> None:
    ada, new = await a_person(plaza), "countess@example.com"
    async with line(plaza, ada.actor) as socket:
        (await plaza[EmailChangeService].ask(ada.actor, EmailInput(email=new))).unwrap()
        (code,) = await codes_to(plaza, new)
        (await plaza[EmailChangeService].confirm(ada.actor, CodeInput(code=code))).unwrap()
        (link,) = await links_to(plaza, ada.email, "undo")
        shown = (await socket.next("notification.new"))["notification"]
        await jobs_done(plaza)
        assert told(await settled(socket)) == [shown]
    assert shown["title"] == Change.EMAIL_CHANGED
    for secret in (link, code, ada.email, new):
        assert secret not in str(shown)


async def test_a_login_from_a_new_device_is_shown_on_the_others(plaza: Stage) -> None:
    ada = await a_person(plaza)
    async with line(plaza, ada.actor) as socket:
        await logged_in(plaza, ada.email)
        with coming_from(ELSEWHERE.ip, ELSEWHERE.user_agent):
            await logged_in(plaza, ada.email, origin=ELSEWHERE)
        shown = (await socket.next("notification.new"))["notification"]
        await jobs_done(plaza)
        assert [each["title"] for each in told(await settled(socket))] == [Change.NEW_DEVICE]
    assert "curl" in shown["text"]


@pytest.mark.parametrize("is_new", [False, True])
async def test_a_login_sends_one_statement_for_all_that_it_tells(plaza: Stage, is_new: bool) -> None:
    ada = await a_person(plaza)
    origin = Origin(ip=HERE.ip, user_agent=ELSEWHERE.user_agent if is_new else HERE.user_agent)
    await jobs_done(plaza)
    with statements(plaza.runtime.db) as sent:
        await logged_in(plaza, ada.email, origin=origin)
    for table in ("notifications_delivery", "core_job"):
        assert len([each for each in sent if each.startswith(f"INSERT INTO {table}")]) == int(is_new), sent
