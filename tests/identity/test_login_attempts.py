"""What is remembered of those who tried to get in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from plaza.core.result import Failure
from plaza.identity.schemas import EmailInput, LoginInput, ResetPasswordInput, VerifyEmailInput
from plaza.identity.service import LoginAttempts, LoginService, PasswordService, RegistrationService
from tests.identity.builders import ELSEWHERE, HERE, PASSWORD, a_person, codes_to, links_to, register, verify, wrong
from tests.support.callers import callers
from tests.support.stage import Stage
from tests.support.statements import statements

ADA = "ada@example.com"


async def attempts(plaza: Stage) -> list[dict[str, Any]]:
    """Oldest first."""
    async with plaza.runtime.db.reader.connect() as connection:
        rows = await connection.execute(text("select * from identity_login_attempt order by id"))
        return [dict(row) for row in rows.mappings()]


async def forget(plaza: Stage) -> None:
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text("delete from identity_login_attempt"))


async def test_who_gets_in_and_who_does_not(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    refused = await plaza[LoginService].login(LoginInput(identifier=ADA, password="wrong lantern"), ELSEWHERE)
    assert isinstance(refused, Failure)
    got_in, kept_out = await attempts(plaza)
    assert (got_in["user_id"], got_in["method"], got_in["outcome"]) == (ada.id, "pwd", "ok")
    assert (got_in["ip"], got_in["user_agent"]) == (HERE.ip, HERE.user_agent)
    assert (kept_out["user_id"], kept_out["method"], kept_out["outcome"]) == (None, "pwd", "INVALID_CREDENTIALS")
    assert (kept_out["ip"], kept_out["user_agent"]) == (ELSEWHERE.ip, ELSEWHERE.user_agent)
    assert got_in["identifier_hash"] == kept_out["identifier_hash"]


async def test_the_identifier_is_kept_as_a_keyed_hash_of_its_one_spelling(plaza: Stage) -> None:
    for identifier in ("Nobody@Example.com", " nobody@example.COM", "nobody", "NOBODY", "+49 151 23456789"):
        await plaza[LoginService].login(LoginInput(identifier=identifier, password="wrong lantern"), HERE)
    found = await attempts(plaza)
    hashes = [each["identifier_hash"] for each in found]
    assert hashes[0] == hashes[1]
    assert hashes[2] == hashes[3]
    assert len(set(hashes)) == 3
    assert hashes[4] == plaza[LoginAttempts].hashed("+4915123456789")
    assert not any("nobody" in str(value).lower() for each in found for value in each.values())


async def test_known_or_not_a_failed_login_is_the_same_statements(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    told = []
    for identifier in (ADA, "nobody@example.com"):
        with statements(plaza.runtime.db) as sent:
            await plaza[LoginService].login(LoginInput(identifier=identifier, password="wrong lantern"), HERE)
        told.append(list(sent))
    assert told[0] == told[1]
    assert (await attempts(plaza))[-1]["user_id"] is None


async def test_codes_and_links_too(plaza: Stage) -> None:
    await register(plaza, ADA)
    (code,) = await codes_to(plaza, ADA)
    await verify(plaza, ADA, wrong(code))
    pair = (await verify(plaza, ADA, code)).unwrap()
    await plaza[RegistrationService].verify(VerifyEmailInput(token="x" * 43), HERE)
    await plaza[PasswordService].reset(ResetPasswordInput(token="x" * 43, password="a ladder"), HERE)
    (await plaza[PasswordService].ask_reset(EmailInput(email=ADA))).unwrap()
    (link,) = await links_to(plaza, ADA, "reset")
    (await plaza[PasswordService].reset(ResetPasswordInput(token=link, password="a ladder to the moon"), HERE)).unwrap()
    found = [(each["method"], each["outcome"], each["user_id"]) for each in await attempts(plaza)]
    refused, right = ("otp", "CODE_INVALID", None), ("otp", "ok", pair.user.id)
    assert found == [refused, right, refused, refused, right]


@pytest.mark.parametrize("status", ["banned", "deactivated"])
async def test_an_account_that_is_closed_is_a_refusal_like_others(plaza: Stage, status: str) -> None:
    await a_person(plaza, ADA)
    await forget(plaza)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text("update identity_user set status = :status"), {"status": status})
    await plaza[LoginService].login(LoginInput(identifier=ADA, password=PASSWORD), HERE)
    (found,) = await attempts(plaza)
    assert (found["outcome"], found["user_id"]) == ("ACCOUNT_DISABLED", None)


async def test_what_is_turned_away_unlooked_at_costs_no_row(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    await forget(plaza)
    async with callers(plaza, PLAZA_RATE_LIMIT_ENABLED="true") as limited:
        logins = limited.runtime.parts[LoginService]
        for _ in range(9):
            await logins.login(LoginInput(identifier=ADA, password="wrong lantern"), ELSEWHERE)
    assert [each["outcome"] for each in await attempts(plaza)] == ["INVALID_CREDENTIALS"] * 5


async def test_forgotten_after_ninety_days(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    plaza.clock.advance(timedelta(days=89))
    await plaza[LoginService].login(LoginInput(identifier="nobody", password="wrong lantern"), HERE)
    (await plaza[LoginAttempts].purge()).unwrap()
    assert len(await attempts(plaza)) == 2
    plaza.clock.advance(timedelta(days=2))
    (await plaza[LoginAttempts].purge()).unwrap()
    assert [each["outcome"] for each in await attempts(plaza)] == ["INVALID_CREDENTIALS"]
