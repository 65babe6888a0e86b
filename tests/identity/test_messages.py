"""What carries a code or a link is not sent any more once that is dead: the mail server may have been away for hours."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from plaza.identity.schemas import CodeInput, EmailInput, MagicLinkInput
from plaza.identity.service import EmailChangeService, MagicLinkService, PasswordService
from tests.identity.builders import a_person, by_phone, codes_to, jobs_done, links_to, register
from tests.support.stage import Stage

NEW, PHONE = "countess@example.com", "+4915123456789"


async def test_messages_are_good_for_as_long_as_what_they_carry(plaza: Stage) -> None:
    ada = await a_person(plaza)
    await register(plaza, "new@example.com")
    await codes_to(plaza, "new@example.com")
    await by_phone(plaza, PHONE)
    (await plaza[PasswordService].ask_reset(EmailInput(email=ada.email))).unwrap()
    (await plaza[MagicLinkService].ask(MagicLinkInput(email=ada.email))).unwrap()
    await links_to(plaza, ada.email, "reset")
    await links_to(plaza, ada.email, "login")
    (await plaza[EmailChangeService].ask(ada.actor, EmailInput(email=NEW))).unwrap()
    (code,) = await codes_to(plaza, NEW)
    (await plaza[EmailChangeService].confirm(ada.actor, CodeInput(code=code))).unwrap()
    await jobs_done(plaza)
    async with plaza.runtime.db.reader.connect() as connection:
        sent = await connection.execute(text("select kind, expires_at - created_at from notifications_delivery"))
        good_for = {kind.removeprefix("identity."): time for kind, time in sent if time is not None}
    ten_minutes = timedelta(minutes=10)
    assert good_for == {
        "email_code": ten_minutes,
        "email_change_code": ten_minutes,
        "password_reset": ten_minutes,
        "phone_code": ten_minutes,
        "magic_link": timedelta(minutes=15),
        "email_changed": timedelta(hours=72),
        "security_notice": timedelta(minutes=5),  # on open devices
    }
