"""The own password, set and changed by who is signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.core.result import Failure, ServiceResult
from plaza.identity.schemas import ChangePasswordInput, EmailInput, ResetPasswordInput
from plaza.identity.service import PasswordService
from tests.identity.builders import (
    ELSEWHERE,
    HERE,
    PASSWORD,
    Person,
    a_person,
    is_accepted,
    is_told,
    jobs_done,
    links_to,
    logged_in,
)
from tests.support.stage import Stage, configuration_for

ADA, NEW = "ada@example.com", "a ladder to the moon"


async def change(
    passwords: PasswordService, person: Person, old: str | None = PASSWORD, new: str = NEW, *, end_others: bool = False
) -> ServiceResult[None]:
    return await passwords.change(person.actor, ChangePasswordInput(old=old, new=new, end_other_sessions=end_others))


def code_of(result: ServiceResult[None]) -> str:
    assert isinstance(result, Failure)
    return result.error.code


async def one(plaza: Stage, question: str) -> object:
    async with plaza.runtime.db.engine.begin() as connection:
        result = await connection.execute(text(question))
        return result.scalar_one() if result.returns_rows else None


@pytest.fixture
async def limited(plaza: Stage) -> AsyncIterator[PasswordService]:
    settings = plaza.configuration.plaza
    configuration = configuration_for(settings.database_url, settings.redis_url, PLAZA_RATE_LIMIT_ENABLED="true")
    runtime = Runtime(configuration, "limited", clock=plaza.clock)
    yield runtime.parts[PasswordService]
    await runtime.close()


@pytest.mark.parametrize("end_others", [True, False])
async def test_over_http_with_a_notice_and_the_other_sessions_where_asked(plaza: Stage, end_others: bool) -> None:
    ada, other = await a_person(plaza, ADA), await logged_in(plaza, ADA, origin=ELSEWHERE)
    async with plaza.client(ada.pair.access_token) as client:
        body = {"old": PASSWORD, "new": NEW, "end_other_sessions": end_others}
        answer = await client.post("/api/v1/auth/password/change", json=body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await is_accepted(plaza, ada.pair.access_token)
    assert await is_accepted(plaza, other.pair.access_token) is not end_others
    assert (await logged_in(plaza, ADA, NEW)).id == ada.id
    await jobs_done(plaza)
    await is_told(plaza, ADA, "Your password was changed.")
    audited = "select actor_id from audit_entry where action = 'identity.password_changed'"
    assert await one(plaza, audited) == ada.id


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("not the lantern", NEW, "INVALID_CREDENTIALS"),
        (None, NEW, "INVALID_CREDENTIALS"),
        (PASSWORD, PASSWORD, "PASSWORD_TOO_WEAK"),
        (PASSWORD, "short", "PASSWORD_TOO_WEAK"),
        (PASSWORD, "x" * 129, "PASSWORD_TOO_WEAK"),
        (PASSWORD, "plaza-in-the-rain", "PASSWORD_TOO_WEAK"),
        (PASSWORD, "trustno1", "PASSWORD_TOO_COMMON"),
    ],
)
async def test_refused_and_nothing_changed(plaza: Stage, old: str | None, new: str, code: str) -> None:
    ada = await a_person(plaza, ADA)
    assert code_of(await change(plaza[PasswordService], ada, old, new, end_others=True)) == code
    assert await is_accepted(plaza, ada.pair.access_token)
    assert (await logged_in(plaza, ADA, PASSWORD)).id == ada.id
    await jobs_done(plaza)
    assert await one(plaza, "select count(*) from notifications_outbox_item") == 0


async def test_only_who_never_set_one_needs_no_old_one(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await one(plaza, "update identity_user set password_hash = null")
    assert code_of(await change(plaza[PasswordService], ada, "", NEW)) == "INVALID_CREDENTIALS"
    (await change(plaza[PasswordService], ada, None, NEW)).unwrap()
    assert (await logged_in(plaza, ADA, NEW)).id == ada.id
    await is_told(plaza, ADA, "A password was set.")


async def test_ten_minutes_after_the_login_another_one_is_asked_for(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    plaza.clock.advance(timedelta(minutes=10))
    async with plaza.client(ada.pair.access_token) as client:
        answer = await client.post("/api/v1/auth/password/change", json={"old": PASSWORD, "new": NEW})
    assert (answer.status_code, answer.json()["code"]) == (403, "STEP_UP_REQUIRED")
    assert (await logged_in(plaza, ADA, PASSWORD)).id == ada.id


async def test_a_link_that_was_mailed_before_opens_nothing_any_more(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    (await plaza[PasswordService].ask_reset(EmailInput(email=ADA))).unwrap()
    (token,) = await links_to(plaza, ADA, "reset")
    (await change(plaza[PasswordService], ada)).unwrap()
    late = await plaza[PasswordService].reset(ResetPasswordInput(token=token, password="someone else's"), HERE)
    assert isinstance(late, Failure)
    assert late.error.code == "TOKEN_USED"
    assert (await logged_in(plaza, ADA, NEW)).id == ada.id


async def test_old_passwords_cannot_be_guessed_from_an_open_session(plaza: Stage, limited: PasswordService) -> None:
    ada = await a_person(plaza, ADA)
    for _ in range(5):
        assert code_of(await change(limited, ada, "wrong lantern")) == "INVALID_CREDENTIALS"
    assert code_of(await change(limited, ada, PASSWORD)) == "RATE_LIMITED"
    assert (await logged_in(plaza, ADA, PASSWORD)).id == ada.id, "the login itself is not locked"


async def test_as_received_in_any_script_and_any_length_up_to_128(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    old = PASSWORD
    for new in ("  spaces count  ", "никогда не говори", "🔥🌊🌬🪨" * 8, "x" * 128):
        (await change(plaza[PasswordService], ada, old, new)).unwrap()
        assert (await logged_in(plaza, ADA, new)).id == ada.id
        old = new
