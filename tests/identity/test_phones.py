"""Codes by text message: signing up, logging in, and the own number; and that nobody learns whose a number is."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from plaza.core.result import Failure, Success
from plaza.identity.models import Purpose
from plaza.identity.schemas import LoginInput, PhoneCodeInput, PhoneInput, RegistrationInput
from plaza.identity.service import LoginService, PhoneService, RegistrationService, VerificationTokens
from plaza.notifications import NotificationService
from plaza.notifications.gateways import NoSmsGateway
from tests.identity.builders import HERE, PASSWORD, a_person, by_phone, codes_to, jobs_done, logged_in, mails_to, wrong
from tests.support.clock import ManualClock
from tests.support.stage import Stage
from tests.support.statements import statements

PHONE, OTHER, TAKEN = "+4915112345678", "+4915187654321", "+14155552671"
SENT = {"status": "verification_sent"}


async def count(plaza: Stage, table: str) -> int:
    async with plaza.runtime.db.reader.connect() as connection:
        return int((await connection.execute(text(f"select count(*) from {table}"))).scalar_one())


async def send(client: httpx.AsyncClient, phone: str = PHONE) -> None:
    answer = await client.post("/api/v1/auth/phone/send-code", json={"phone": phone})
    assert (answer.status_code, answer.json()) == (202, SENT), answer.text


async def enter(client: httpx.AsyncClient, code: str, phone: str = PHONE) -> httpx.Response:
    return await client.post("/api/v1/auth/phone/verify-code", json={"phone": phone, "code": code})


# In


async def test_a_newcomer_signs_up_with_a_number_alone(plaza: Stage, client: httpx.AsyncClient) -> None:
    await send(client, "+49 151 123-45678")
    [message] = await mails_to(plaza, PHONE)
    assert message["channel"] == "sms"
    [code] = await codes_to(plaza, PHONE)
    answer = await enter(client, code, "+49 (0)151 12345678")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    user = answer.json()["user"]
    assert (user["phone"], user["phone_verified"], user["email"], user["status"]) == (PHONE, True, None, "active")
    me = await plaza.client(answer.json()["access_token"]).get("/api/v1/auth/user")
    assert me.json()["id"] == user["id"]


async def test_the_next_code_logs_the_same_person_in(plaza: Stage, client: httpx.AsyncClient) -> None:
    first = await by_phone(plaza, PHONE)
    second = await by_phone(plaza, PHONE)
    assert second.id == first.id
    assert second.refresh_token != first.refresh_token
    assert await count(plaza, "identity_user") == 1


async def test_a_registration_by_phone_takes_its_password_and_name(plaza: Stage, client: httpx.AsyncClient) -> None:
    body = {"phone": "+49 151 12345678", "password": PASSWORD, "display_name": "Ada"}
    answer = await client.post("/api/v1/auth/registration", json=body)
    assert (answer.status_code, answer.json()) == (202, SENT)
    [code] = await codes_to(plaza, PHONE)
    early = await client.post("/api/v1/auth/login", json={"identifier": PHONE, "password": PASSWORD})
    assert (early.status_code, early.json()["code"]) == (403, "PHONE_NOT_VERIFIED")
    assert (await enter(client, code)).status_code == 200
    pair = (await logged_in(plaza, "+49 151 12345678")).pair
    assert (pair.user.display_name, pair.user.phone) == ("Ada", PHONE)


async def test_of_two_registrations_the_one_that_verifies_wins(plaza: Stage, client: httpx.AsyncClient) -> None:
    for password in ("the first lantern", "the second lantern"):
        given = RegistrationInput(phone=PHONE, password=password)
        (await plaza[RegistrationService].register(given)).unwrap()
        await jobs_done(plaza)
    first, second = await codes_to(plaza, PHONE, at_least=2)
    assert (await enter(client, first)).status_code == 200
    assert (await enter(client, second)).json()["code"] == "TOKEN_USED"
    assert isinstance(
        await plaza[LoginService].login(LoginInput(identifier=PHONE, password="the first lantern"), HERE), Success
    )
    assert isinstance(
        await plaza[LoginService].login(LoginInput(identifier=PHONE, password="the second lantern"), HERE), Failure
    )


async def test_a_code_that_was_asked_for_without_a_password_brings_nobody_elses(
    plaza: Stage, client: httpx.AsyncClient
) -> None:
    """Mallory registers Ada's number with a password of his; the code that Ada asks for herself does not carry it."""
    (await plaza[RegistrationService].register(RegistrationInput(phone=PHONE, password=PASSWORD))).unwrap()
    await codes_to(plaza, PHONE)
    await send(client)
    assert (await enter(client, (await codes_to(plaza, PHONE, at_least=2))[1])).status_code == 200
    refused = await plaza[LoginService].login(LoginInput(identifier=PHONE, password=PASSWORD), HERE)
    assert isinstance(refused, Failure)
    assert refused.error.code == "INVALID_CREDENTIALS"


async def test_a_taken_number_answers_the_same_and_its_owner_is_told(plaza: Stage, client: httpx.AsyncClient) -> None:
    owner = await by_phone(plaza, PHONE)
    answer = await client.post("/api/v1/auth/registration", json={"phone": PHONE, "password": PASSWORD})
    assert (answer.status_code, answer.json()) == (202, SENT)
    told = (await mails_to(plaza, PHONE, at_least=2))[1]["body"]
    assert "has a Plaza account already" in told
    assert not re.search(r"\d{6}", told)
    login = await client.post("/api/v1/auth/login", json={"identifier": PHONE, "password": PASSWORD})
    assert (login.status_code, login.json()["code"]) == (403, "PHONE_NOT_VERIFIED"), "as for a number that was free"
    assert (await by_phone(plaza, PHONE)).id == owner.id


async def test_the_refresh_token_can_live_in_the_cookie(plaza: Stage, client: httpx.AsyncClient) -> None:
    await send(client)
    [code] = await codes_to(plaza, PHONE)
    body = {"phone": PHONE, "code": code}
    answer = await client.post("/api/v1/auth/phone/verify-code", params={"cookie": "true"}, json=body)
    assert answer.json()["refresh_token"] is None
    assert "plaza_refresh=" in answer.headers["set-cookie"]


async def test_a_banned_person_learns_it_by_the_right_code_only(plaza: Stage, client: httpx.AsyncClient) -> None:
    person = await by_phone(plaza, PHONE)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text("update identity_user set status = 'banned' where id = :id"), {"id": person.id})
    await send(client)
    code = (await codes_to(plaza, PHONE, at_least=2))[1]
    assert (await enter(client, wrong(code))).json()["code"] == "CODE_INVALID"
    answer = await enter(client, code)
    assert (answer.status_code, answer.json()["code"]) == (403, "ACCOUNT_DISABLED")


# What a code is


async def test_three_wrong_tries_end_a_code(plaza: Stage, client: httpx.AsyncClient) -> None:
    await send(client)
    [code] = await codes_to(plaza, PHONE)
    for _ in range(3):
        answer = await enter(client, wrong(code))
        assert (answer.status_code, answer.json()["code"]) == (422, "CODE_INVALID")
    assert (await enter(client, code)).json()["code"] == "CODE_INVALID"
    assert await count(plaza, "identity_session") == 0


async def test_a_code_is_good_for_ten_minutes(plaza: Stage, client: httpx.AsyncClient, clock: ManualClock) -> None:
    await send(client)
    [code] = await codes_to(plaza, PHONE)
    clock.advance(timedelta(minutes=10))
    answer = await enter(client, code)
    assert (answer.status_code, answer.json()["code"]) == (410, "CODE_EXPIRED")


async def test_a_code_opens_its_own_number_only(plaza: Stage, client: httpx.AsyncClient) -> None:
    await send(client)
    [code] = await codes_to(plaza, PHONE)
    assert (await enter(client, code, OTHER)).json()["code"] == "CODE_INVALID"
    assert (await enter(client, code)).status_code == 200


async def test_codes_stand_nowhere(plaza: Stage, client: httpx.AsyncClient) -> None:
    await send(client)
    [code] = await codes_to(plaza, PHONE)
    await enter(client, code)
    await jobs_done(plaza)
    async with plaza.runtime.db.reader.connect() as connection:
        names = "select table_name from information_schema.tables where table_schema = 'public'"
        tables = (await connection.execute(text(names))).scalars().all()
        for table in set(tables) - {"notifications_outbox_item"}:
            rows = (await connection.execute(text(f'select t::text from "{table}" t'))).scalars().all()
            assert not [row for row in rows if re.search(rf"\b{code}\b", row)], table


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("send-code", {"phone": "+4930123456"}),
        ("send-code", {"phone": "015112345678"}),
        ("send-code", {}),
        ("send-code", {"phone": PHONE, "channel": "call"}),
        ("verify-code", {"phone": PHONE}),
        ("verify-code", {"phone": "no", "code": "123456"}),
        ("verify-code", {"phone": PHONE, "code": 123456}),
    ],
)
async def test_what_makes_no_sense_leaves_nothing(
    plaza: Stage, client: httpx.AsyncClient, route: str, body: dict[str, object]
) -> None:
    before = await count(plaza, "core_job")
    answer = await client.post(f"/api/v1/auth/phone/{route}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert await count(plaza, "core_job") == before
    assert await count(plaza, "identity_verification_token") == 0


async def test_without_a_provider_there_are_no_phones(
    plaza: Stage, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plaza[NotificationService], "sms", NoSmsGateway())
    answers = [
        await client.post("/api/v1/auth/phone/send-code", json={"phone": PHONE}),
        await client.post("/api/v1/auth/phone/verify-code", json={"phone": PHONE, "code": "123456"}),
        await client.post("/api/v1/auth/registration", json={"phone": PHONE, "password": PASSWORD}),
    ]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(404, "PROVIDER_NOT_CONFIGURED")] * 3
    assert await count(plaza, "core_job") == 0


# Nobody learns whose a number is


async def test_a_request_writes_one_job_whoever_it_names(plaza: Stage) -> None:
    await by_phone(plaza, TAKEN)
    (await plaza[RegistrationService].register(RegistrationInput(phone=OTHER))).unwrap()
    await codes_to(plaza, OTHER)

    async def work(phone: str) -> list[str]:
        with statements(plaza.runtime.db) as sent:
            (await plaza[PhoneService].send_code(None, PhoneInput(phone=phone))).unwrap()
        return sent

    works = [await work(phone) for phone in (TAKEN, OTHER, PHONE)]
    await jobs_done(plaza)
    assert works[0] == works[1] == works[2]
    assert len([each for each in works[0] if "insert into core_job" in each.lower()]) == 1


async def test_a_wrong_code_is_written_for_any_number(plaza: Stage) -> None:
    """Else the time of the answer would tell where codes are waiting."""
    await by_phone(plaza, TAKEN)
    for phone in (TAKEN, PHONE):
        with statements(plaza.runtime.db) as sent:
            answer = await plaza[PhoneService].log_in(PhoneCodeInput(phone=phone, code="123456"), HERE)
        assert isinstance(answer, Failure)
        assert answer.error.code == "CODE_INVALID"
        written = [each.split()[0].lower() for each in sent if "identity_verification_token" in each]
        assert written in (["select", "update"], ["select", "insert"])


async def test_the_decoy_of_a_taken_number_opens_nothing(plaza: Stage, client: httpx.AsyncClient) -> None:
    await by_phone(plaza, PHONE)
    (await plaza[RegistrationService].register(RegistrationInput(phone=PHONE, password=PASSWORD))).unwrap()
    await mails_to(plaza, PHONE, at_least=2)
    hashed = plaza[VerificationTokens].code_hash(Purpose.PHONE_LOGIN, PHONE, "123456")
    async with plaza.runtime.db.engine.begin() as connection:
        statement = "update identity_verification_token set code_hash = :hash where user_id is null"
        assert (await connection.execute(text(statement), {"hash": hashed})).rowcount == 1
    assert (await enter(client, "123456")).json()["code"] == "CODE_INVALID"


async def test_people_are_found_by_their_number_in_any_spelling(plaza: Stage) -> None:
    found = await by_phone(plaza, PHONE)
    ada = await a_person(plaza)
    client = plaza.client(ada.pair.access_token)
    answer = await client.post("/api/v1/auth/users/lookup", json={"phone": "+49 151 12345678"})
    assert (answer.status_code, answer.json()["id"]) == (200, str(found.id))
    answer = await client.post("/api/v1/auth/users/lookup", json={"phone": OTHER})
    assert (answer.status_code, answer.json()["code"]) == (404, "USER_NOT_FOUND")
