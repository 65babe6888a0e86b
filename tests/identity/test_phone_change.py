"""The own phone number: proved by a code, with a recent login, and told to where the account was reachable before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from sqlalchemy import text

from plaza.core.result import Failure, Success
from plaza.identity import SessionService, TokenService
from plaza.identity.schemas import PhoneCodeInput, PhoneInput, RegistrationInput
from plaza.identity.service import PhoneService, RegistrationService
from tests.identity.builders import (
    HERE,
    Person,
    a_person,
    by_phone,
    code_for,
    codes_to,
    is_accepted,
    jobs_done,
    mails_to,
    wrong,
)
from tests.support.clock import ManualClock
from tests.support.stage import Stage

PHONE, OTHER = "+4915112345678", "+4915187654321"
SENT = {"status": "verification_sent"}


async def rows(plaza: Stage, statement: str, **given: Any) -> list[Any]:
    async with plaza.runtime.db.reader.connect() as connection:
        return list((await connection.execute(text(statement), given)).all())


async def change(plaza: Stage, person: Person, phone: str = PHONE) -> None:
    given = PhoneCodeInput(phone=phone, code=await code_for(plaza, person, phone))
    (await plaza[PhoneService].change(person.actor, given)).unwrap()


async def test_a_number_is_added_and_the_session_goes_on(plaza: Stage) -> None:
    ada = await a_person(plaza)
    client = plaza.client(ada.pair.access_token)
    answer = await client.post("/api/v1/auth/phone/send-code", json={"phone": "+49 151 12345678"})
    assert (answer.status_code, answer.json()) == (202, SENT)
    [code] = await codes_to(plaza, PHONE)
    answer = await client.post("/api/v1/auth/phone/verify-code", json={"phone": PHONE, "code": code})
    assert answer.status_code == 200
    pair = answer.json()
    assert (pair["user"]["phone"], pair["user"]["phone_verified"], pair["user"]["email"]) == (PHONE, True, ada.email)
    assert pair["refresh_token"] is None

    actor = await plaza[TokenService].authenticate(pair["access_token"])
    assert (actor.session_id, actor.authenticated_at) == (ada.actor.session_id, ada.actor.authenticated_at)
    assert await is_accepted(plaza, ada.pair.access_token)
    assert isinstance(await plaza[SessionService].refresh(ada.refresh_token, HERE), Success)
    assert (await by_phone(plaza, PHONE)).id == ada.id

    told = [each["body"] for each in await mails_to(plaza, ada.email) if "A phone number was added." in each["body"]]
    assert len(told) == 1
    assert "It ends in 78." in told[0]


async def test_a_change_is_told_to_the_old_number_and_the_mailbox(plaza: Stage) -> None:
    ada = await a_person(plaza)
    await change(plaza, ada)
    await change(plaza, ada, OTHER)
    assert "Your phone number was changed. (It ends in 21.)" in (await mails_to(plaza, PHONE, at_least=2))[1]["body"]
    await jobs_done(plaza)
    told = [
        each["body"] for each in await mails_to(plaza, ada.email) if "Your phone number was changed." in each["body"]
    ]
    assert len(told) == 1
    assert (await by_phone(plaza, OTHER)).id == ada.id
    assert (await by_phone(plaza, PHONE)).id != ada.id, "the old number is anybody's again"
    entries = await rows(plaza, "select * from audit_entry where action = 'identity.phone_changed' order by at, id")
    assert [(each.before, each.after) for each in entries] == [
        ({"phone": None}, {"phone": PHONE}),
        ({"phone": PHONE}, {"phone": OTHER}),
    ]
    assert {(each.actor_id, each.subject_id) for each in entries} == {(ada.id, str(ada.id))}


async def test_the_same_number_again_changes_nothing(plaza: Stage) -> None:
    ada = await by_phone(plaza, PHONE)
    await change(plaza, ada)
    await jobs_done(plaza)
    assert len(await mails_to(plaza, PHONE)) == 2, "two codes, no notice"
    assert await rows(plaza, "select 1 from audit_entry where action = 'identity.phone_changed'") == []


@pytest.mark.parametrize("route", ["send-code", "verify-code"])
async def test_it_needs_a_recent_login(plaza: Stage, clock: ManualClock, route: str) -> None:
    ada = await a_person(plaza)
    code = await code_for(plaza, ada, PHONE)
    clock.advance(timedelta(minutes=10))
    client = plaza.client(ada.pair.access_token)
    body = {"phone": PHONE, **({"code": code} if route == "verify-code" else {})}
    answer = await client.post(f"/api/v1/auth/phone/{route}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "STEP_UP_REQUIRED")
    await jobs_done(plaza)
    assert len(await mails_to(plaza, PHONE)) == 1
    assert (await rows(plaza, "select phone from identity_user"))[0].phone is None


async def test_a_token_that_is_no_good_is_not_taken_for_a_stranger(plaza: Stage) -> None:
    """Who sends one means an account: the code of a login would open another."""
    ada = await a_person(plaza)
    (await plaza[SessionService].logout(ada.actor, None)).unwrap()
    client = plaza.client(ada.pair.access_token)
    for route, body in (("send-code", {"phone": PHONE}), ("verify-code", {"phone": PHONE, "code": "123456"})):
        answer = await client.post(f"/api/v1/auth/phone/{route}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    await jobs_done(plaza)
    assert await rows(plaza, "select 1 from identity_verification_token") == []


async def test_a_code_of_one_purpose_is_not_accepted_for_the_other(plaza: Stage, client: httpx.AsyncClient) -> None:
    ada = await a_person(plaza)
    own = await code_for(plaza, ada, PHONE)
    by_stranger = await plaza[PhoneService].log_in(PhoneCodeInput(phone=PHONE, code=own), HERE)
    assert isinstance(by_stranger, Failure)
    assert by_stranger.error.code == "CODE_INVALID"

    (await plaza[PhoneService].send_code(None, PhoneInput(phone=OTHER))).unwrap()
    [login] = await codes_to(plaza, OTHER)
    by_ada = await plaza[PhoneService].change(ada.actor, PhoneCodeInput(phone=OTHER, code=login))
    assert isinstance(by_ada, Failure)
    assert by_ada.error.code == "CODE_INVALID"


async def test_what_one_asked_for_nobody_else_completes(plaza: Stage) -> None:
    ada, mallory = await a_person(plaza), await a_person(plaza, "mallory@example.com", name="Mallory")
    code = await code_for(plaza, ada, PHONE)
    answer = await plaza[PhoneService].change(mallory.actor, PhoneCodeInput(phone=PHONE, code=code))
    assert isinstance(answer, Failure)
    assert answer.error.code == "CODE_INVALID"
    assert isinstance(await plaza[PhoneService].change(ada.actor, PhoneCodeInput(phone=PHONE, code=code)), Success)


async def test_a_number_of_somebody_else_is_not_taken(plaza: Stage) -> None:
    owner, ada = await by_phone(plaza, PHONE), await a_person(plaza)
    (await plaza[PhoneService].send_code(ada.actor, PhoneInput(phone=PHONE))).unwrap()
    told = (await mails_to(plaza, PHONE, at_least=2))[1]["body"]
    assert "has a Plaza account already" in told
    assert (await by_phone(plaza, PHONE)).id == owner.id


async def test_who_was_faster_keeps_the_number(plaza: Stage) -> None:
    """The code went out while the number was free."""
    ada = await a_person(plaza)
    code = await code_for(plaza, ada, PHONE)
    owner = await by_phone(plaza, PHONE)
    answer = await plaza[PhoneService].change(ada.actor, PhoneCodeInput(phone=PHONE, code=code))
    assert isinstance(answer, Failure)
    assert answer.error.code == "PHONE_TAKEN"
    assert (await by_phone(plaza, PHONE)).id == owner.id
    assert await rows(plaza, "select 1 from audit_entry where action = 'identity.phone_changed'") == []


async def test_a_registration_that_nobody_proved_gives_way(plaza: Stage) -> None:
    (
        await plaza[RegistrationService].register(RegistrationInput(phone=PHONE, password="a stranger's lantern"))
    ).unwrap()
    [stale] = await codes_to(plaza, PHONE)
    ada = await a_person(plaza)
    await change(plaza, ada)
    late = await plaza[PhoneService].log_in(PhoneCodeInput(phone=PHONE, code=stale), HERE)
    assert isinstance(late, Failure)
    assert [each.id for each in await rows(plaza, "select id from identity_user")] == [ada.id]


async def test_a_code_for_a_number_that_was_given_up_opens_nothing(plaza: Stage) -> None:
    ada = await by_phone(plaza, PHONE)
    (await plaza[PhoneService].send_code(None, PhoneInput(phone=PHONE))).unwrap()
    code = (await codes_to(plaza, PHONE, at_least=2))[1]
    await change(plaza, ada, OTHER)
    answer = await plaza[PhoneService].log_in(PhoneCodeInput(phone=PHONE, code=code), HERE)
    assert isinstance(answer, Failure)
    assert answer.error.code == "TOKEN_USED"


async def test_three_wrong_tries_end_the_code_of_a_change(plaza: Stage) -> None:
    ada = await a_person(plaza)
    code = await code_for(plaza, ada, PHONE)
    for each in (wrong(code), wrong(code), wrong(code), code):
        answer = await plaza[PhoneService].change(ada.actor, PhoneCodeInput(phone=PHONE, code=each))
        assert isinstance(answer, Failure)
        assert answer.error.code == "CODE_INVALID"


async def test_an_ended_session_changes_nothing(plaza: Stage) -> None:
    ada = await a_person(plaza)
    code = await code_for(plaza, ada, PHONE)
    (await plaza[SessionService].logout(ada.actor, None)).unwrap()
    answer = await plaza[PhoneService].change(ada.actor, PhoneCodeInput(phone=PHONE, code=code))
    assert isinstance(answer, Failure)
    assert answer.error.code == "UNAUTHENTICATED"
    assert (await rows(plaza, "select phone from identity_user"))[0].phone is None


async def test_an_impersonator_changes_no_number(plaza: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await a_person(plaza)

    async def authenticate(_: TokenService, __: str) -> object:
        return replace(ada.actor, impersonator_id=ada.id)

    monkeypatch.setattr(TokenService, "authenticate", authenticate)
    answer = await plaza.client("a staff member's").post("/api/v1/auth/phone/send-code", json={"phone": PHONE})
    assert (answer.status_code, answer.json()["code"]) == (403, "IMPERSONATION_FORBIDDEN")
    assert await rows(plaza, "select 1 from core_job") == []
