"""Sign-up with a mailed code: what takes effect, what is refused, and that nobody learns who has an account."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from plaza.core.result import Failure, Success
from plaza.identity.models import Purpose
from plaza.identity.schemas import EmailInput, LoginInput, VerifyEmailInput
from plaza.identity.service import LoginService, RegistrationService, VerificationTokens
from tests.identity.builders import (
    HERE,
    PASSWORD,
    a_person,
    codes_to,
    jobs_done,
    logged_in,
    mails_to,
    register,
    verify,
    wrong,
)
from tests.identity.staff import audited
from tests.support.clock import ManualClock
from tests.support.stage import Stage
from tests.support.statements import statements

ADA = "ada@example.com"


async def count(plaza: Stage, table: str) -> int:
    async with plaza.runtime.db.reader.connect() as connection:
        return int((await connection.execute(text(f"select count(*) from {table}"))).scalar_one())


async def test_a_newcomer_signs_up_by_the_mailed_code(plaza: Stage, client: httpx.AsyncClient) -> None:
    body = {"email": "Ada@EXAMPLE.com", "password": PASSWORD, "display_name": "Ada Lovelace"}
    answer = await client.post("/api/v1/auth/registration", json=body)
    assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})

    [code] = await codes_to(plaza, ADA)
    answer = await client.post("/api/v1/auth/verify-email", json={"email": "ADA@example.com", "code": code})
    assert answer.status_code == 200
    pair = answer.json()
    assert pair["token_type"] == "Bearer"
    assert pair["expires_in"] == 900
    assert pair["user"]["email"] == ADA
    assert pair["user"]["email_verified"] is True
    assert pair["user"]["status"] == "active"
    assert answer.headers["Cache-Control"] == "no-store"
    (opened,) = await audited(plaza, "identity.account_opened")
    assert (opened.actor_id, str(opened.user_id)) == (None, pair["user"]["id"])
    assert opened.after == {"email": ADA, "phone": None, "by": "code", "has_password": True}

    async with plaza.client(pair["access_token"]) as signed_in:
        me = (await signed_in.get("/api/v1/auth/user")).json()
    assert me["display_name"] == "Ada Lovelace"
    assert str((await logged_in(plaza, ADA)).id) == pair["user"]["id"]
    [_, welcome, _] = await mails_to(plaza, ADA, at_least=3)  # the last one tells of the other device
    assert "Welcome" in welcome["subject"]


async def test_the_mailed_link_serves_as_well_and_uses_up_the_code(plaza: Stage) -> None:
    await register(plaza, ADA)
    [code] = await codes_to(plaza, ADA)
    [mail] = await mails_to(plaza, ADA)
    token = re.search(r"#verify=([A-Za-z]+)", mail["body"])
    assert token is not None
    by_link = VerifyEmailInput(token=token[1])
    assert isinstance(await plaza[RegistrationService].verify(by_link, HERE), Success)
    for again in (await plaza[RegistrationService].verify(by_link, HERE), await verify(plaza, ADA, code)):
        assert isinstance(again, Failure)
        assert again.error.code == "TOKEN_USED"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "no address", "password": PASSWORD}, 400, "VALIDATION_ERROR"),
        ({"email": "ada@localhost", "password": PASSWORD}, 400, "VALIDATION_ERROR"),
        ({"email": ADA, "phone": "+4915112345678", "password": PASSWORD}, 400, "VALIDATION_ERROR"),
        ({"password": PASSWORD}, 400, "VALIDATION_ERROR"),
        ({"email": ADA, "password": PASSWORD, "is_staff": True}, 400, "VALIDATION_ERROR"),
        ({"email": ADA, "password": PASSWORD, "display_name": "\u202eevil"}, 400, "VALIDATION_ERROR"),
        ({"email": ADA, "password": PASSWORD, "display_name": "   "}, 400, "VALIDATION_ERROR"),
        ({"email": ADA, "password": "short"}, 422, "PASSWORD_TOO_WEAK"),
        ({"email": ADA, "password": "x" * 129}, 422, "PASSWORD_TOO_WEAK"),
        ({"email": "lovelace@example.com", "password": "my-LoveLace-secret"}, 422, "PASSWORD_TOO_WEAK"),
        ({"email": ADA, "password": "my-LoveLace-secret", "display_name": "Ada Lovelace"}, 422, "PASSWORD_TOO_WEAK"),
        ({"email": ADA, "password": "Password1"}, 422, "PASSWORD_TOO_COMMON"),
        ({"phone": "+4930123456", "password": PASSWORD}, 400, "VALIDATION_ERROR"),
        ({"phone": "+4915112345678", "password": "call 015112345678"}, 422, "PASSWORD_TOO_WEAK"),
    ],
)
async def test_a_refused_registration_leaves_nothing(
    plaza: Stage, client: httpx.AsyncClient, body: dict[str, object], status: int, code: str
) -> None:
    before = await count(plaza, "core_job")
    answer = await client.post("/api/v1/auth/registration", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert await count(plaza, "core_job") == before


async def test_a_taken_address_answers_the_same_and_its_owner_is_told(plaza: Stage, client: httpx.AsyncClient) -> None:
    await a_person(plaza, ADA)
    body = {"email": ADA, "password": "another lantern", "display_name": "Mallory"}
    answer = await client.post("/api/v1/auth/registration", json=body)
    assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})
    [mail] = await mails_to(plaza, ADA)
    assert "already" in mail["subject"]
    assert not re.search(r"\d{6}", mail["body"])
    assert (await logged_in(plaza, ADA)).pair.user.display_name == "Ada"


async def test_a_request_writes_one_job_whoever_it_names(plaza: Stage) -> None:
    """The work of a request, in SQL statements, must not depend on the address."""
    await a_person(plaza, ADA)
    await register(plaza, "pending@example.com")
    await codes_to(plaza, "pending@example.com")

    async def work(email: str, *, resend: bool) -> list[str]:
        with statements(plaza.runtime.db) as sent:
            if resend:
                (await plaza[RegistrationService].resend(EmailInput(email=email))).unwrap()
            else:
                await register(plaza, email)
        return sent

    for resend in (False, True):
        works = [await work(email, resend=resend) for email in (ADA, "pending@example.com", "nobody@example.com")]
        await jobs_done(plaza)
        assert works[0] == works[1] == works[2]
        assert len([each for each in works[0] if "insert into core_job" in each.lower()]) == 1


async def test_of_two_registrations_the_one_that_verifies_wins(plaza: Stage) -> None:
    await register(plaza, ADA, "the first lantern", "Countess")
    [first] = await codes_to(plaza, ADA)
    await register(plaza, ADA, "the second lantern", "Duchess")
    second = (await codes_to(plaza, ADA, at_least=2))[1]
    assert await count(plaza, "identity_user") == 1

    assert isinstance(await verify(plaza, ADA, first), Success)
    assert (await logged_in(plaza, ADA, "the first lantern")).pair.user.display_name == "Countess"
    late = await verify(plaza, ADA, second)
    assert isinstance(late, Failure)
    assert late.error.code == "TOKEN_USED"
    refused = await plaza[LoginService].login(LoginInput(identifier=ADA, password="the second lantern"), HERE)
    assert isinstance(refused, Failure)
    assert refused.error.code == "INVALID_CREDENTIALS"


async def test_two_registrations_at_once_make_one_user(plaza: Stage) -> None:
    await asyncio.gather(*(register(plaza, ADA) for _ in range(4)))
    codes = await codes_to(plaza, ADA, at_least=4)
    assert await count(plaza, "identity_user") == await count(plaza, "identity_profile") == 1
    assert isinstance(await verify(plaza, ADA, codes[2]), Success)


async def test_a_resent_code_takes_the_password_over(plaza: Stage) -> None:
    await register(plaza, ADA, name="Ada Lovelace")
    await codes_to(plaza, ADA)
    (await plaza[RegistrationService].resend(EmailInput(email=ADA))).unwrap()
    resent = (await codes_to(plaza, ADA, at_least=2))[1]
    assert isinstance(await verify(plaza, ADA, resent), Success)
    assert (await logged_in(plaza, ADA)).pair.user.display_name == "Ada Lovelace"


async def test_a_resent_code_carries_no_password_when_strangers_registered_too(plaza: Stage) -> None:
    """Mallory registers Ada's address after her; the code that Ada asks for again must not bring Mallory's password."""
    await register(plaza, ADA, "the lantern of Ad")
    await codes_to(plaza, ADA)
    await register(plaza, ADA, "a stranger's lantern")
    await codes_to(plaza, ADA, at_least=2)
    (await plaza[RegistrationService].resend(EmailInput(email=ADA))).unwrap()
    resent = (await codes_to(plaza, ADA, at_least=3))[2]
    assert isinstance(await verify(plaza, ADA, resent), Success)
    for password in ("the lantern of Ad", "a stranger's lantern"):
        refused = await plaza[LoginService].login(LoginInput(identifier=ADA, password=password), HERE)
        assert isinstance(refused, Failure)
        assert refused.error.code == "INVALID_CREDENTIALS"


async def test_resend_answers_the_same_and_mails_only_who_waits(plaza: Stage, client: httpx.AsyncClient) -> None:
    await a_person(plaza, ADA)
    await register(plaza, "grace@example.com")
    await codes_to(plaza, "grace@example.com")
    for email in (ADA, "nobody@example.com", "grace@example.com"):
        answer = await client.post("/api/v1/auth/resend-email", json={"email": email})
        assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})
    await codes_to(plaza, "grace@example.com", at_least=2)  # the last of the three: the others were handled before it
    async with plaza.client(Accept="application/json") as reader:
        items = (await reader.get("/dev/outbox")).json()["items"]
    assert {item["to"] for item in items} == {"grace@example.com"}


async def test_three_wrong_tries_end_a_code_and_are_remembered(plaza: Stage, client: httpx.AsyncClient) -> None:
    await register(plaza, ADA)
    [code] = await codes_to(plaza, ADA)
    for _ in range(3):
        answer = await client.post("/api/v1/auth/verify-email", json={"email": ADA, "code": wrong(code)})
        assert (answer.status_code, answer.json()["code"]) == (422, "CODE_INVALID")
    answer = await client.post("/api/v1/auth/verify-email", json={"email": ADA, "code": code})
    assert (answer.status_code, answer.json()["code"]) == (422, "CODE_INVALID")

    (await plaza[RegistrationService].resend(EmailInput(email=ADA))).unwrap()
    fresh = (await codes_to(plaza, ADA, at_least=2))[1]
    assert isinstance(await verify(plaza, ADA, fresh), Success)


async def test_two_wrong_tries_do_not(plaza: Stage) -> None:
    await register(plaza, ADA)
    [code] = await codes_to(plaza, ADA)
    for _ in range(2):
        assert isinstance(await verify(plaza, ADA, wrong(code)), Failure)
    assert isinstance(await verify(plaza, ADA, code), Success)


async def test_parallel_wrong_tries_are_all_counted(plaza: Stage) -> None:
    await register(plaza, ADA)
    [code] = await codes_to(plaza, ADA)
    await asyncio.gather(*(verify(plaza, ADA, wrong(code)) for _ in range(3)))
    assert isinstance(await verify(plaza, ADA, code), Failure)


async def test_a_code_is_accepted_once_by_fifty_at_once(plaza: Stage) -> None:
    await register(plaza, ADA)
    [code] = await codes_to(plaza, ADA)
    results = await asyncio.gather(*(verify(plaza, ADA, code) for _ in range(50)))
    refused = [each.error.code for each in results if isinstance(each, Failure)]
    assert refused == ["TOKEN_USED"] * 49
    assert await count(plaza, "identity_session") == 1


async def test_only_who_knows_the_code_learns_that_it_expired(plaza: Stage, clock: ManualClock) -> None:
    await register(plaza, ADA)
    [code] = await codes_to(plaza, ADA)
    clock.advance(timedelta(minutes=10))
    for tried, told in ((wrong(code), "CODE_INVALID"), (code, "CODE_EXPIRED")):
        answer = await verify(plaza, ADA, tried)
        assert isinstance(answer, Failure)
        assert answer.error.code == told


async def test_a_wrong_try_is_written_for_any_address(plaza: Stage) -> None:
    """Else its time would tell where a code is waiting."""
    await a_person(plaza, ADA)
    for email in (ADA, "nobody@example.com"):
        before = await count(plaza, "identity_verification_token")
        answer = await verify(plaza, email, "123456")
        assert isinstance(answer, Failure)
        assert answer.error.code == "CODE_INVALID"
        assert await count(plaza, "identity_verification_token") == before + 1


async def test_the_code_of_a_taken_address_opens_nothing(plaza: Stage) -> None:
    """The decoy of a taken address has a code like any other; even knowing it would not help."""
    person = await a_person(plaza, ADA)
    await register(plaza, ADA, "a stranger's lantern")
    await mails_to(plaza, ADA)
    hashed = plaza[VerificationTokens].code_hash(Purpose.EMAIL_VERIFICATION, ADA, "123456")
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(
            text("update identity_verification_token set code_hash = :hash where address = :email"),
            {"hash": hashed, "email": ADA},
        )
    answer = await verify(plaza, ADA, "123456")
    assert isinstance(answer, Failure)
    assert answer.error.code == "CODE_INVALID"
    assert (await logged_in(plaza, ADA)).id == person.id


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": ADA},
        {"code": "123456"},
        {"email": ADA, "code": "123456", "token": "x"},
        {"email": "no", "code": "1"},
    ],
)
async def test_half_a_proof_is_malformed(plaza: Stage, client: httpx.AsyncClient, body: dict[str, str]) -> None:
    answer = await client.post("/api/v1/auth/verify-email", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("code", ["", "12345", "1234567", "１２３４５６", "abcdef", "x" * 1000])
async def test_what_is_no_code_is_a_wrong_code(plaza: Stage, client: httpx.AsyncClient, code: str) -> None:
    answer = await client.post("/api/v1/auth/verify-email", json={"email": ADA, "code": code})
    assert (answer.status_code, answer.json()["code"]) == (422, "CODE_INVALID")


async def test_no_secret_is_left_in_the_tables(plaza: Stage) -> None:
    """Neither code nor password in clear in any row, the jobs and mails included."""
    await register(plaza, ADA)
    [code] = await codes_to(plaza, ADA)
    async with plaza.runtime.db.reader.connect() as connection:
        tables = (
            await connection.execute(
                text(
                    "select tablename from pg_tables where schemaname = 'public' and tablename <> 'notifications_outbox_item'"
                )
            )
        ).scalars()
        for table in list(tables):
            rows = (await connection.execute(text(f'select t::text from "{table}" t'))).scalars().all()
            assert not [row for row in rows if re.search(rf"\b{code}\b", row) or PASSWORD in row], table


async def test_an_idempotency_key_sends_one_code(plaza: Stage, client: httpx.AsyncClient) -> None:
    body = {"email": ADA, "password": PASSWORD}
    answers = [
        await client.post("/api/v1/auth/registration", json=body, headers={"Idempotency-Key": "sign-up-1"})
        for _ in range(3)
    ]
    assert [each.status_code for each in answers] == [202] * 3
    assert [each.headers.get("Idempotency-Replayed") for each in answers] == [None, "true", "true"]
    await jobs_done(plaza)
    assert len(await codes_to(plaza, ADA)) == 1
