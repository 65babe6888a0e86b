"""Another e-mail address: proved by a code, told to the old one, and taken back from there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from plaza.core.result import Failure, ServiceResult
from plaza.identity.schemas import (
    CodeInput,
    EmailInput,
    LinkInput,
    NewApiKey,
    PhoneCodeInput,
    PhoneInput,
    ResetPasswordInput,
)
from plaza.identity.service import ApiKeyService, EmailChangeService, PasswordService, PhoneService
from tests.identity.authenticators import a_passkey, an_app, outcome, passkey_login
from tests.identity.builders import (
    ELSEWHERE,
    HERE,
    PASSWORD,
    Person,
    a_person,
    by_phone,
    codes_to,
    is_accepted,
    jobs_done,
    links_to,
    logged_in,
    mails_to,
    register,
    verify,
    wrong,
)
from tests.support.stage import Stage
from tests.support.waiting import eventually

ADA, NEW, PHONE = "ada@example.com", "countess@example.com", "+4915123456789"


async def ask(plaza: Stage, person: Person, email: str = NEW) -> None:
    (await plaza[EmailChangeService].ask(person.actor, EmailInput(email=email))).unwrap()


async def confirm(plaza: Stage, person: Person, code: str) -> ServiceResult[Any]:
    return await plaza[EmailChangeService].confirm(person.actor, CodeInput(code=code))


async def undo(plaza: Stage, token: str) -> ServiceResult[None]:
    return await plaza[EmailChangeService].undo(LinkInput(token=token))


async def moved(plaza: Stage, person: Person, email: str = NEW) -> None:
    await ask(plaza, person, email)
    (await confirm(plaza, person, (await codes_to(plaza, email))[-1])).unwrap()


async def a_key(plaza: Stage, person: Person) -> str:
    return (await plaza[ApiKeyService].create(person.actor, NewApiKey(name="k", scopes=["identity:read"]))).unwrap().key


def code_of(result: ServiceResult[Any]) -> str:
    assert isinstance(result, Failure)
    return result.error.code


async def rows(plaza: Stage, statement: str) -> list[tuple[Any, ...]]:
    async with plaza.runtime.db.engine.begin() as connection:
        result = await connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


async def subjects(plaza: Stage, email: str) -> list[str]:
    await jobs_done(plaza)
    return [mail["subject"] for mail in await mails_to(plaza, email, at_least=0)]


async def test_over_http_the_code_makes_it_theirs_and_the_old_one_is_told(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    async with plaza.client(ada.pair.access_token) as client:
        answer = await client.post("/api/v1/auth/email/change", json={"email": "Countess@Example.com"})
        assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})
        (code,) = await codes_to(plaza, NEW)
        assert (await client.get("/api/v1/auth/user")).json()["email"] == ADA, "nothing before the code"
        answer = await client.post("/api/v1/auth/email/change/confirm", json={"code": code})
        assert (answer.status_code, answer.json()["email"], answer.json()["email_verified"]) == (200, NEW, True)
        assert (await client.get("/api/v1/auth/user")).json()["email"] == NEW
    assert await is_accepted(plaza, ada.pair.access_token)
    assert (await logged_in(plaza, NEW)).id == ada.id
    assert await subjects(plaza, ADA) == ["Your Plaza account has a new e-mail address"]
    audited = await rows(
        plaza, "select actor_id, before, after from audit_entry where action = 'identity.email_changed'"
    )
    assert audited == [(ada.id, {"email": ADA}, {"email": NEW})]


@pytest.mark.parametrize("path", ["email/change", "email/change/confirm"])
async def test_ten_minutes_after_the_login_another_one_is_asked_for(plaza: Stage, path: str) -> None:
    ada = await a_person(plaza, ADA)
    plaza.clock.advance(timedelta(minutes=10))
    async with plaza.client(ada.pair.access_token) as client:
        body = {"code": "123456"} if path.endswith("confirm") else {"email": NEW}
        answer = await client.post(f"/api/v1/auth/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "STEP_UP_REQUIRED")
    assert await rows(plaza, "select 1 from identity_verification_token") == []


async def test_an_address_that_is_somebody_elses_looks_like_any_other(plaza: Stage) -> None:
    ada, grace = await a_person(plaza, ADA), await a_person(plaza, "grace@example.com", name="Grace")
    told = {}
    for email in (NEW, grace.email):
        async with plaza.client(ada.pair.access_token) as client:
            asked = await client.post("/api/v1/auth/email/change", json={"email": email})
            await jobs_done(plaza)
            tried = [
                await client.post("/api/v1/auth/email/change/confirm", json={"code": code})
                for code in ("000001", "000002", "000003", "000004")
            ]
        told[email] = [
            (each.status_code, each.json().get("code"), each.json().get("status")) for each in (asked, *tried)
        ]
    assert told[NEW] == told[grace.email]
    assert await subjects(plaza, grace.email) == ["This address has a Plaza account"]
    assert (await logged_in(plaza, grace.email)).id == grace.id
    assert (await logged_in(plaza, ADA)).id == ada.id


async def test_asking_for_another_address_makes_the_earlier_code_void_taken_or_not(plaza: Stage) -> None:
    """Else a code that still works would tell that the address asked for next is somebody's."""
    ada = await a_person(plaza, ADA)
    await a_person(plaza, "grace@example.com", name="Grace")
    for later in ("free@example.com", "grace@example.com"):
        await ask(plaza, ada, NEW)
        await jobs_done(plaza)
        code = (await codes_to(plaza, NEW))[-1]
        await ask(plaza, ada, later)
        await jobs_done(plaza)
        assert code_of(await confirm(plaza, ada, code)) == "CODE_INVALID"
    assert (await logged_in(plaza, ADA)).id == ada.id


async def test_wrong_often_old_or_anothers_codes_change_nothing(plaza: Stage) -> None:
    ada, eve = await a_person(plaza, ADA), await a_person(plaza, "eve@example.com", name="Eve")
    assert code_of(await confirm(plaza, ada, "123456")) == "CODE_INVALID"
    await ask(plaza, ada)
    (code,) = await codes_to(plaza, NEW)
    assert code_of(await confirm(plaza, eve, code)) == "CODE_INVALID", "nobody else completes it"
    for _ in range(3):
        assert code_of(await confirm(plaza, ada, wrong(code))) == "CODE_INVALID"
    assert code_of(await confirm(plaza, ada, code)) == "CODE_INVALID"
    await ask(plaza, ada)
    code = (await codes_to(plaza, NEW, at_least=2))[-1]
    plaza.clock.advance(timedelta(minutes=10))
    assert code_of(await confirm(plaza, ada, code)) == "CODE_EXPIRED"
    assert await subjects(plaza, ADA) == []
    assert (await logged_in(plaza, ADA)).id == ada.id


async def test_a_code_is_good_for_one_change(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await ask(plaza, ada)
    (code,) = await codes_to(plaza, NEW)
    (await confirm(plaza, ada, code)).unwrap()
    assert code_of(await confirm(plaza, ada, code)) == "TOKEN_USED"


async def test_a_registration_that_nobody_proved_gives_way_to_a_proof(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await register(plaza, NEW, "somebody else's lantern", "Mallory")
    (theirs,) = await codes_to(plaza, NEW)
    await ask(plaza, ada)
    code = (await codes_to(plaza, NEW, at_least=2))[-1]
    assert (await confirm(plaza, ada, code)).unwrap().id == ada.id
    assert code_of(await verify(plaza, NEW, theirs)) == "CODE_INVALID"
    assert await rows(plaza, "select count(*) from identity_user") == [(1,)]


async def test_taken_between_code_and_confirmation_it_stays_with_who_was_first(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await ask(plaza, ada)
    (code,) = await codes_to(plaza, NEW)
    other = await a_person(plaza, NEW, name="Other")
    assert code_of(await confirm(plaza, ada, code)) == "EMAIL_TAKEN"
    assert (await logged_in(plaza, NEW)).id == other.id
    assert (await logged_in(plaza, ADA)).id == ada.id


async def test_who_signed_up_by_phone_adds_an_address_and_hears_of_it_there(plaza: Stage) -> None:
    person = await by_phone(plaza, PHONE)
    await moved(plaza, person)
    assert (await rows(plaza, "select email, phone from identity_user")) == [(NEW, PHONE)]
    await jobs_done(plaza)
    texts = await rows(plaza, "select body from notifications_outbox_item where recipient like '+%'")
    assert [body for (body,) in texts if "An e-mail address was added." in body]
    assert await rows(plaza, "select 1 from identity_verification_token where purpose = 'email_change_undo'") == []


async def test_links_that_went_to_the_old_address_open_nothing(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    (await plaza[PasswordService].ask_reset(EmailInput(email=ADA))).unwrap()
    (token,) = await links_to(plaza, ADA, "reset")
    await moved(plaza, ada)
    late = await plaza[PasswordService].reset(ResetPasswordInput(token=token, password="a ladder to the moon"), HERE)
    assert code_of(late) == "CODE_INVALID"
    assert (await logged_in(plaza, NEW)).id == ada.id


async def test_the_old_mailbox_takes_it_back(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    thief = await logged_in(plaza, ADA, origin=ELSEWHERE)
    await moved(plaza, thief, "thief@example.com")
    (token,) = await links_to(plaza, ADA, "undo")
    plaza.clock.advance(timedelta(hours=71))
    async with plaza.client() as client:
        answer = await client.post("/api/v1/auth/email/change/undo", json={"token": token})
    assert (answer.status_code, answer.content) == (204, b"")
    assert not await is_accepted(plaza, thief.pair.access_token)
    assert not await is_accepted(plaza, ada.pair.access_token)
    assert await rows(plaza, "select email, password_hash from identity_user") == [(ADA, None)]
    (reset,) = await links_to(plaza, ADA, "reset")
    new = ResetPasswordInput(token=reset, password="a ladder to the moon")
    assert (await plaza[PasswordService].reset(new, HERE)).unwrap().user.id == ada.id
    assert code_of(await undo(plaza, token)) == "TOKEN_USED"
    audited = await rows(plaza, "select before, after from audit_entry where action = 'identity.email_change_undone'")
    assert audited == [({"email": "thief@example.com"}, {"email": ADA})]


async def test_nothing_that_a_thief_added_meanwhile_opens_the_account_again(plaza: Stage) -> None:
    """Word of it went to the thief's own address."""
    ada = await a_person(plaza, ADA)
    own = await a_passkey(plaza, ada)
    before = await a_key(plaza, ada)
    plaza.clock.advance(timedelta(seconds=1))
    thief = await logged_in(plaza, ADA, origin=ELSEWHERE)
    await moved(plaza, thief, "thief@example.com")
    plaza.clock.advance(timedelta(seconds=1))
    stolen, key = await a_passkey(plaza, thief), await a_key(plaza, thief)
    (await plaza[PhoneService].send_code(thief.actor, PhoneInput(phone=PHONE))).unwrap()
    (code,) = await codes_to(plaza, PHONE)
    (await plaza[PhoneService].change(thief.actor, PhoneCodeInput(phone=PHONE, code=code))).unwrap()
    await an_app(plaza, thief)
    (token,) = await links_to(plaza, ADA, "undo")
    (await undo(plaza, token)).unwrap()
    assert outcome(await passkey_login(plaza, stolen)) == "INVALID_CREDENTIALS"
    assert await rows(plaza, "select phone, phone_verified_at from identity_user") == [(None, None)]
    assert (await plaza.client(before).get("/api/v1/auth/user")).json()["email"] == ADA

    async def is_refused() -> bool:
        return (await plaza.client(key).get("/api/v1/auth/user")).status_code == 401

    await eventually(is_refused)
    (reset,) = await links_to(plaza, ADA, "reset")
    new = ResetPasswordInput(token=reset, password="a ladder to the moon")
    assert (await plaza[PasswordService].reset(new, HERE)).unwrap().user.id == ada.id, "no second factor of the thief's"
    assert outcome(await passkey_login(plaza, own)) == "OK"
    ((told,),) = await rows(plaza, "select after from audit_entry where action = 'identity.email_change_undone'")
    assert told["removed"] == {
        "passkeys": 1,
        "authenticator_apps": 1,
        "recovery_codes": 10,
        "api_keys": 1,
        "phones": 1,
    }


async def test_what_came_later_cannot_bring_itself_back(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await moved(plaza, ada, "thief@example.com")
    await moved(plaza, ada, "thief2@example.com")
    (first,), (second,) = await links_to(plaza, ADA, "undo"), await links_to(plaza, "thief@example.com", "undo")
    (await undo(plaza, first)).unwrap()
    assert code_of(await undo(plaza, second)) == "TOKEN_USED"
    assert await rows(plaza, "select email from identity_user") == [(ADA,)]


async def test_the_owner_wins_also_where_the_later_link_was_faster(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await moved(plaza, ada, "thief@example.com")
    await moved(plaza, ada, "thief2@example.com")
    (first,), (second,) = await links_to(plaza, ADA, "undo"), await links_to(plaza, "thief@example.com", "undo")
    (await undo(plaza, second)).unwrap()
    (await undo(plaza, first)).unwrap()
    assert await rows(plaza, "select email from identity_user") == [(ADA,)]


async def test_after_72_hours_or_with_another_link_nothing_comes_back(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await moved(plaza, ada)
    (token,) = await links_to(plaza, ADA, "undo")
    assert code_of(await undo(plaza, "x" * 43)) == "CODE_INVALID"
    plaza.clock.advance(timedelta(hours=72))
    assert code_of(await undo(plaza, token)) == "CODE_EXPIRED"
    assert await rows(plaza, "select email from identity_user") == [(NEW,)]
    assert (await logged_in(plaza, NEW, PASSWORD)).id == ada.id


async def test_an_address_that_somebody_else_proved_meanwhile_is_not_taken_from_them(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await moved(plaza, ada)
    (token,) = await links_to(plaza, ADA, "undo")
    other = await a_person(plaza, ADA, name="Other")
    assert code_of(await undo(plaza, token)) == "EMAIL_TAKEN"
    assert (await logged_in(plaza, ADA)).id == other.id
    assert (await logged_in(plaza, NEW)).id == ada.id
