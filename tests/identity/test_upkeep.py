"""Accounts made by operators, and what time does to codes, sessions and unproved addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from plaza.core.db.database import Outbox
from plaza.core.messages import DomainEvent
from plaza.core.result import Failure, Success
from plaza.domain_events.identity import UserRegistered
from plaza.identity import NewUser, SessionService, TokenService, UserService
from plaza.identity.schemas import EmailInput
from plaza.identity.service import RegistrationService
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

ADA = "ada@example.com"


async def count(plaza: Stage, source: str) -> int:
    async with plaza.runtime.db.reader.connect() as connection:
        return int((await connection.execute(text(f"select count(*) from {source}"))).scalar_one())


async def test_an_operator_makes_people_who_can_log_in_at_once(plaza: Stage) -> None:
    users = plaza[UserService]
    staff = (await users.create("Staff@Example.com", PASSWORD, is_staff=True)).unwrap()
    assert (staff.email, staff.is_staff, staff.email_verified) == ("staff@example.com", True, True)
    assert not (await logged_in(plaza, "staff@example.com")).actor.is_superuser
    (opened,) = await audited(plaza, "identity.account_opened")
    assert (opened.user_id, opened.after["by"], opened.after["has_password"]) == (staff.id, "operator", True)
    boss = (await users.create("boss@example.com", PASSWORD, is_superuser=True)).unwrap()
    assert boss.is_staff
    actor = (await logged_in(plaza, "boss@example.com")).actor
    assert actor.is_staff
    assert actor.is_superuser


@pytest.mark.parametrize(
    ("email", "password", "code"),
    [
        (ADA, PASSWORD, "EMAIL_TAKEN"),
        ("ADA@example.com", PASSWORD, "EMAIL_TAKEN"),
        ("new@example.com", "short", "PASSWORD_TOO_WEAK"),
        ("new@example.com", "password123", "PASSWORD_TOO_COMMON"),
        ("new", PASSWORD, "VALIDATION_ERROR"),
    ],
)
async def test_an_operator_keeps_to_the_rules(plaza: Stage, email: str, password: str, code: str) -> None:
    await a_person(plaza, ADA)
    refused = await plaza[UserService].create(email, password)
    assert isinstance(refused, Failure)
    assert refused.error.code == code
    assert await count(plaza, "identity_user") == 1


async def test_one_address_is_made_once_by_many_at_once(plaza: Stage) -> None:
    results = await asyncio.gather(*(plaza[UserService].create(ADA, PASSWORD) for _ in range(5)))
    assert len([each for each in results if isinstance(each, Success)]) == 1
    assert await count(plaza, "identity_user") == await count(plaza, "identity_profile") == 1


async def test_an_operator_completes_a_pending_registration(plaza: Stage) -> None:
    await register(plaza, ADA, "a pending lantern")
    [code] = await codes_to(plaza, ADA)
    assert isinstance(await plaza[UserService].create(ADA, PASSWORD, display_name="Countess"), Success)
    assert (await logged_in(plaza, ADA)).pair.user.display_name == "Countess"
    late = await verify(plaza, ADA, code)
    assert isinstance(late, Failure)
    assert late.error.code == "TOKEN_USED"
    assert (await logged_in(plaza, ADA)).pair.user.display_name == "Countess"


async def test_people_by_the_hundred(plaza: Stage) -> None:
    people = [NewUser(email=f"load{n}@example.com", display_name=f"Load {n}") for n in range(300)]
    ids = (await plaza[UserService].create_many(people)).unwrap()
    assert (await plaza[UserService].create_many(people)).unwrap() == ids
    tokens = (await plaza[SessionService].open_many(ids, HERE)).unwrap()
    actors = [await plaza[TokenService].authenticate(token) for token in tokens]
    assert [actor.user_id for actor in actors] == ids
    assert len({actor.session_id for actor in actors}) == 300
    await jobs_done(plaza)
    assert await count(plaza, "notifications_delivery") == 0


async def test_unproved_addresses_are_deactivated_after_thirty_days_and_free_again(
    plaza: Stage, clock: ManualClock
) -> None:
    await a_person(plaza, "grace@example.com", name="Grace")
    await register(plaza, ADA, "the first lantern")
    await codes_to(plaza, ADA)
    clock.advance(timedelta(days=30))
    (await plaza[UserService].expire_unverified()).unwrap()
    assert await count(plaza, "identity_user where status = 'deactivated'") == 0
    clock.advance(timedelta(seconds=1))
    (await plaza[UserService].expire_unverified()).unwrap()
    assert await count(plaza, f"identity_user where status = 'deactivated' and email = '{ADA}'") == 1
    assert await count(plaza, "identity_user where status = 'active'") == 1

    (await plaza[RegistrationService].resend(EmailInput(email=ADA))).unwrap()
    await jobs_done(plaza)
    assert len(await mails_to(plaza, ADA)) == 1

    await register(plaza, ADA)
    code = (await codes_to(plaza, ADA, at_least=2))[1]
    assert isinstance(await verify(plaza, ADA, code), Success)
    assert await count(plaza, "identity_user") == 2
    await logged_in(plaza, ADA)


async def test_old_codes_are_purged_but_not_a_waiting_password(plaza: Stage, clock: ManualClock) -> None:
    await register(plaza, ADA)
    [code] = await codes_to(plaza, ADA)
    await verify(plaza, ADA, wrong(code))
    await verify(plaza, "nobody@example.com", "123456")
    await a_person(plaza, "grace@example.com", name="Grace")
    await register(plaza, "grace@example.com", "a decoy's lantern")
    await jobs_done(plaza)
    assert await count(plaza, "identity_verification_token") == 3

    clock.advance(timedelta(days=2))
    (await plaza[RegistrationService].purge()).unwrap()
    # Gone is what carried no password; an address that is taken keeps its decoy for as long as a free one its registration.
    assert await count(plaza, "identity_verification_token where password_hash is null") == 0
    assert await count(plaza, "identity_verification_token") == 2

    (await plaza[RegistrationService].resend(EmailInput(email=ADA))).unwrap()
    resent = (await codes_to(plaza, ADA, at_least=2))[1]
    assert isinstance(await verify(plaza, ADA, resent), Success)
    await logged_in(plaza, ADA)

    clock.advance(timedelta(days=31))
    (await plaza[RegistrationService].purge()).unwrap()
    assert await count(plaza, "identity_verification_token") == 0


async def test_dead_sessions_and_tokens_are_purged_and_live_ones_are_not(plaza: Stage, clock: ManualClock) -> None:
    old = await a_person(plaza, ADA)
    ended = await logged_in(plaza, ADA)
    (await plaza[SessionService].logout(ended.actor, None)).unwrap()
    clock.advance(timedelta(days=7, hours=1))
    (await plaza[SessionService].purge()).unwrap()
    assert await count(plaza, "identity_session") == 2
    clock.advance(timedelta(days=23))
    live = await logged_in(plaza, ADA)
    (await plaza[SessionService].purge()).unwrap()
    assert (
        await count(plaza, "identity_session") == 2
    )  # the ended one is gone, the idle one is remembered a while longer
    assert await count(plaza, "identity_refresh_token") == 1
    clock.advance(timedelta(days=7) - timedelta(seconds=1))
    (await plaza[SessionService].purge()).unwrap()
    assert await count(plaza, "identity_session") == 1
    assert isinstance(await plaza[SessionService].refresh(live.refresh_token, HERE), Success)
    assert isinstance(await plaza[SessionService].refresh(old.refresh_token, HERE), Failure)


async def test_who_signs_up_is_told_to_the_others_once(plaza: Stage) -> None:
    """The event is written with the verification, in its transaction; `UserRegistered` has no handler here, so it is caught on its way."""
    told: list[str] = []
    outbox = plaza.runtime.db.outbox
    assert outbox is not None

    class Listening:
        def __init__(self, behind: Outbox) -> None:
            self.behind = behind

        async def write(self, session: AsyncSession, events: Sequence[DomainEvent], jobs: Sequence[Any]) -> None:
            told.extend(str(event.user_id) for event in events if isinstance(event, UserRegistered))
            await self.behind.write(session, events, jobs)

    await register(plaza, ADA)
    [code] = await codes_to(plaza, ADA)
    plaza.runtime.db.outbox = Listening(outbox)
    try:
        await verify(plaza, ADA, wrong(code))
        assert told == []
        results = await asyncio.gather(*(verify(plaza, ADA, code) for _ in range(5)))
    finally:
        plaza.runtime.db.outbox = outbox
    [pair] = [each.value for each in results if isinstance(each, Success)]
    assert told == [str(pair.user.id)]
