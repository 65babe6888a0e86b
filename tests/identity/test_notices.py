"""Who is told that something which guards their account was changed, and where."""

from __future__ import annotations

from sqlalchemy import text

from plaza.core.origin import coming_from
from plaza.identity.service import Change, SecurityNotices
from tests.identity.builders import HERE, a_person, jobs_done, mails_to
from tests.support.stage import Stage


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
