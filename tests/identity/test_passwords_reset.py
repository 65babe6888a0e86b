"""A forgotten password: the link, what it opens, what it ends, and that nobody learns anything by asking."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from plaza.core.result import Failure, ServiceResult
from plaza.identity import TokenPair
from plaza.identity.schemas import EmailInput, ResetPasswordInput, SendPasswordReset, VerifyEmailInput
from plaza.identity.service import PasswordService, RegistrationService
from tests.identity.builders import (
    HERE,
    PASSWORD,
    a_person,
    is_accepted,
    is_told,
    jobs_done,
    links_to,
    logged_in,
    register,
)
from tests.support.callers import callers
from tests.support.stage import Stage

ADA, NEW = "ada@example.com", "a ladder to the moon"


async def ask(plaza: Stage, email: str = ADA) -> None:
    (await plaza[PasswordService].ask_reset(EmailInput(email=email))).unwrap()


async def reset(plaza: Stage, token: str, password: str = NEW) -> ServiceResult[TokenPair]:
    return await plaza[PasswordService].reset(ResetPasswordInput(token=token, password=password), HERE)


def code_of(result: ServiceResult[TokenPair]) -> str:
    assert isinstance(result, Failure)
    return result.error.code


async def store(plaza: Stage, statement: str) -> list[tuple[object, ...]]:
    async with plaza.runtime.db.engine.begin() as connection:
        result = await connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


async def test_over_http_it_sets_the_password_ends_every_session_and_tells(
    plaza: Stage, client: httpx.AsyncClient
) -> None:
    earlier = await a_person(plaza, ADA)
    answer = await client.post("/api/v1/auth/password/reset", json={"email": "Ada@Example.com"})
    assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})
    (token,) = await links_to(plaza, ADA, "reset")
    answer = await client.post("/api/v1/auth/password/reset/confirm", json={"token": token, "password": NEW})
    assert (answer.status_code, answer.json()["user"]["id"]) == (200, str(earlier.id))
    assert answer.headers["Cache-Control"] == "no-store"
    assert not await is_accepted(plaza, earlier.pair.access_token)
    assert await is_accepted(plaza, answer.json()["access_token"])
    assert (await logged_in(plaza, ADA, NEW)).id == earlier.id
    await is_told(plaza, ADA, "Your password was reset by a mailed link.")
    rows = await store(plaza, "select action, actor_id, user_id, before, after from audit_entry")
    assert ("identity.password_reset", None, earlier.id, None, None) in rows


async def test_every_address_gets_the_same_answer_and_only_owners_a_mail(
    plaza: Stage, client: httpx.AsyncClient
) -> None:
    await a_person(plaza, ADA)
    await register(plaza, "pending@example.com")
    await a_person(plaza, "banned@example.com")
    await store(plaza, "update identity_user set status = 'banned' where email = 'banned@example.com'")
    answers = set()
    for email in (ADA, "nobody@example.com", "pending@example.com", "banned@example.com"):
        answer = await client.post("/api/v1/auth/password/reset", json={"email": email})
        answers.add((answer.status_code, answer.text))
    assert len(answers) == 1
    await jobs_done(plaza)
    links = await store(plaza, "select recipient from notifications_outbox_item where body like '%reset=%'")
    assert links == [(ADA,)]


async def test_a_link_opens_once_and_takes_its_siblings_along(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    await ask(plaza)
    await ask(plaza)
    first, second = await links_to(plaza, ADA, "reset", at_least=2)
    assert (await reset(plaza, second)).unwrap().user.email == ADA
    assert code_of(await reset(plaza, second, "another ladder")) == "TOKEN_USED"
    assert code_of(await reset(plaza, first, "another ladder")) == "TOKEN_USED"
    await logged_in(plaza, ADA, NEW)


async def test_what_is_wrong_old_or_another_kind_opens_nothing(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    await ask(plaza)
    (token,) = await links_to(plaza, ADA, "reset")
    assert code_of(await reset(plaza, "x" * 43)) == "CODE_INVALID"
    verified = await plaza[RegistrationService].verify(VerifyEmailInput(token=token), HERE)
    assert code_of(verified) == "CODE_INVALID"
    plaza.clock.advance(timedelta(minutes=10))
    assert code_of(await reset(plaza, token)) == "CODE_EXPIRED"
    await logged_in(plaza, ADA, PASSWORD)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "PASSWORD_TOO_WEAK"),
        ("my plaza rocks", "PASSWORD_TOO_WEAK"),
        ("lovelace-1815", "PASSWORD_TOO_WEAK"),
        ("countess-1815", "PASSWORD_TOO_WEAK"),
        ("iloveyou", "PASSWORD_TOO_COMMON"),
    ],
)
async def test_a_password_that_is_refused_does_not_use_the_link_up(plaza: Stage, password: str, code: str) -> None:
    ada = await a_person(plaza, ADA)
    await store(plaza, "update identity_profile set last_name = 'Lovelace', username = 'countess'")
    await ask(plaza)
    (token,) = await links_to(plaza, ADA, "reset")
    assert code_of(await reset(plaza, token, password)) == code
    assert await is_accepted(plaza, ada.pair.access_token)
    assert (await reset(plaza, token)).unwrap().user.id == ada.id


async def test_a_second_factor_is_asked_for_all_the_same(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await store(
        plaza,
        "insert into identity_totp_device (id, user_id, sealed_secret, confirmed_at, created_at)"
        f" values (gen_random_uuid(), '{ada.id}', '', now(), now())",
    )
    await ask(plaza)
    (token,) = await links_to(plaza, ADA, "reset")
    result = await reset(plaza, token)
    assert code_of(result) == "MFA_REQUIRED"
    assert isinstance(result, Failure)
    assert result.error.members["mfa_token"]
    assert await store(plaza, "select count(*) from identity_session where revoked_at is null") == [(0,)]


async def test_who_never_had_a_password_gets_one(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await store(plaza, "update identity_user set password_hash = null")
    await ask(plaza)
    (token,) = await links_to(plaza, ADA, "reset")
    assert (await reset(plaza, token)).unwrap().user.id == ada.id
    await is_told(plaza, ADA, "A password was set.")


async def test_banned_meanwhile_or_an_address_no_longer_theirs(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    await ask(plaza)
    (token,) = await links_to(plaza, ADA, "reset")
    await store(plaza, "update identity_user set status = 'banned'")
    assert code_of(await reset(plaza, token)) == "ACCOUNT_DISABLED"
    await store(plaza, "update identity_user set status = 'active', email = 'lovelace@example.com'")
    assert code_of(await reset(plaza, token)) == "CODE_INVALID"
    await logged_in(plaza, "lovelace@example.com", PASSWORD)


async def test_five_mails_for_one_address_whoever_asks(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    async with callers(plaza, PLAZA_RATE_LIMIT_ENABLED="true") as limited:
        passwords = limited.runtime.parts[PasswordService]
        for _ in range(7):
            (await passwords.send_reset(SendPasswordReset(email=ADA))).unwrap()
    assert len(await links_to(plaza, ADA, "reset", at_least=5)) == 5
    await jobs_done(plaza)
    assert await store(plaza, "select count(*) from identity_verification_token") == [(5,)]


async def test_twenty_a_quarter_of_an_hour_per_caller(plaza: Stage) -> None:
    async with callers(plaza, PLAZA_RATE_LIMIT_ENABLED="true") as limited, limited.at() as client:
        told = [
            (await client.post("/api/v1/auth/password/reset", json={"email": f"{n}@example.com"})).status_code
            for n in range(21)
        ]
    assert told == [202] * 20 + [429]
