"""Codes, links and addresses under real concurrency: services of several processes, on connections of their own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.core.result import Failure, ServiceResult
from plaza.identity.schemas import (
    ChangePasswordInput,
    CodeInput,
    EmailInput,
    LinkInput,
    LoginInput,
    MagicLinkConfirmation,
    MagicLinkInput,
    ResetPasswordInput,
    VerifyEmailInput,
)
from plaza.identity.service import (
    EmailChangeService,
    LoginService,
    MagicLinkService,
    PasswordService,
    RegistrationService,
)
from tests.identity.builders import ELSEWHERE, HERE, PASSWORD, a_person, codes_to, links_to, logged_in, register, wrong
from tests.support.stage import Stage, configuration_for

ADA, NEW, TRIES = "ada@example.com", "countess@example.com", 50


@pytest.fixture
async def processes(plaza: Stage, database_url: str, redis_url: str) -> AsyncIterator[list[Any]]:
    configuration = configuration_for(database_url, redis_url)
    runtimes = [Runtime(configuration, "api", clock=plaza.clock) for _ in range(2)]
    yield [plaza, *(each.parts for each in runtimes)]
    for each in runtimes:
        await each.db.close()
        await each.redis.aclose()


async def at_once(tries: list[Callable[[], Awaitable[ServiceResult[Any]]]]) -> Counter[str]:
    """How often each code was answered, or "OK"."""
    results = await asyncio.gather(*(each() for each in tries))
    return Counter(each.error.code if isinstance(each, Failure) else "OK" for each in results)


async def column(plaza: Stage, question: str) -> list[Any]:
    async with plaza.runtime.db.reader.connect() as connection:
        return list((await connection.execute(text(question))).scalars())


async def test_fifty_tries_of_one_code_open_one_account(plaza: Stage, processes: list[Any]) -> None:
    await register(plaza, ADA)
    (code,) = await codes_to(plaza, ADA)
    told = await at_once(
        [
            lambda n=n: processes[n % 3][RegistrationService].verify(VerifyEmailInput(email=ADA, code=code), HERE)  # type: ignore[misc]
            for n in range(TRIES)
        ]
    )
    assert told == {"OK": 1, "TOKEN_USED": TRIES - 1}
    assert len(await column(plaza, "select id from identity_session")) == 1


async def test_fifty_tries_of_one_magic_link_open_one_session(plaza: Stage, processes: list[Any]) -> None:
    await a_person(plaza, ADA)
    (await plaza[MagicLinkService].ask(MagicLinkInput(email=ADA))).unwrap()
    (link,) = await links_to(plaza, ADA, "login")
    given = MagicLinkConfirmation(token=link)
    told = await at_once(
        [lambda n=n: processes[n % 3][MagicLinkService].confirm(given, ELSEWHERE) for n in range(TRIES)]  # type: ignore[misc]
    )
    assert told == {"OK": 1, "TOKEN_USED": TRIES - 1}
    assert len(await column(plaza, "select id from identity_session")) == 2


async def test_fifty_tries_of_one_reset_link_set_one_password(plaza: Stage, processes: list[Any]) -> None:
    await a_person(plaza, ADA)
    (await plaza[PasswordService].ask_reset(EmailInput(email=ADA))).unwrap()
    (link,) = await links_to(plaza, ADA, "reset")
    won: list[str] = []

    async def attempt(n: int) -> ServiceResult[Any]:
        password = f"ladder number {n} to the moon"
        given = ResetPasswordInput(token=link, password=password)
        result: ServiceResult[Any] = await processes[n % 3][PasswordService].reset(given, HERE)
        if not isinstance(result, Failure):
            won.append(password)
        return result

    assert await at_once([lambda n=n: attempt(n) for n in range(TRIES)]) == {"OK": 1, "TOKEN_USED": TRIES - 1}  # type: ignore[misc]
    assert (await logged_in(plaza, ADA, won[0])).email == ADA


async def test_fifty_tries_of_one_change_of_address_make_one(plaza: Stage, processes: list[Any]) -> None:
    ada = await a_person(plaza, ADA)
    (await plaza[EmailChangeService].ask(ada.actor, EmailInput(email=NEW))).unwrap()
    (code,) = await codes_to(plaza, NEW)
    told = await at_once(
        [
            lambda n=n: processes[n % 3][EmailChangeService].confirm(ada.actor, CodeInput(code=code))  # type: ignore[misc]
            for n in range(TRIES)
        ]
    )
    assert told == {"OK": 1, "TOKEN_USED": TRIES - 1}
    assert len(await column(plaza, "select 1 from audit_entry where action = 'identity.email_changed'")) == 1


async def test_guesses_at_once_count_as_one_after_another(plaza: Stage, processes: list[Any]) -> None:
    ada = await a_person(plaza, ADA)
    (await plaza[EmailChangeService].ask(ada.actor, EmailInput(email=NEW))).unwrap()
    (code,) = await codes_to(plaza, NEW)
    told = await at_once(
        [
            lambda n=n: processes[n % 3][EmailChangeService].confirm(ada.actor, CodeInput(code=wrong(code)))  # type: ignore[misc]
            for n in range(TRIES)
        ]
    )
    assert told == {"CODE_INVALID": TRIES}
    (late,) = await at_once([lambda: plaza[EmailChangeService].confirm(ada.actor, CodeInput(code=code))])
    assert late == "CODE_INVALID"
    assert await column(plaza, "select email from identity_user") == [ADA]


@pytest.mark.parametrize("round", range(5))
async def test_two_people_prove_one_address_and_one_of_them_has_it(
    plaza: Stage, processes: list[Any], round: int
) -> None:
    people = [await a_person(plaza, f"p{n}@example.com", name=f"P{n}") for n in range(2)]
    codes = []
    for n, person in enumerate(people):
        (await plaza[EmailChangeService].ask(person.actor, EmailInput(email=NEW))).unwrap()
        codes.append((await codes_to(plaza, NEW, at_least=n + 1))[-1])
    told = await at_once(
        [
            lambda n=n: processes[n][EmailChangeService].confirm(people[n].actor, CodeInput(code=codes[n]))  # type: ignore[misc]
            for n in range(2)
        ]
    )
    assert told == {"OK": 1, "EMAIL_TAKEN": 1}
    assert (await column(plaza, "select email from identity_user")).count(NEW) == 1


@pytest.mark.parametrize("round", range(5))
async def test_a_registration_and_a_change_prove_one_address(plaza: Stage, processes: list[Any], round: int) -> None:
    """Whoever is first has it; nobody is half made."""
    ada = await a_person(plaza, ADA)
    await register(plaza, NEW, "somebody else's lantern", "Grace")
    (registered,) = await codes_to(plaza, NEW)
    (await plaza[EmailChangeService].ask(ada.actor, EmailInput(email=NEW))).unwrap()
    changed = (await codes_to(plaza, NEW, at_least=2))[-1]
    told = await at_once(
        [
            lambda: processes[1][RegistrationService].verify(VerifyEmailInput(email=NEW, code=registered), HERE),
            lambda: processes[2][EmailChangeService].confirm(ada.actor, CodeInput(code=changed)),
        ]
    )
    assert told["OK"] == 1, told
    assert (await column(plaza, "select email from identity_user")).count(NEW) == 1
    assert await column(plaza, "select status from identity_user where status = 'pending'") == []


async def test_undone_and_changed_on_at_once_ends_with_the_old_mailbox(plaza: Stage, processes: list[Any]) -> None:
    ada = await a_person(plaza, ADA)
    for email in ("thief@example.com", "thief2@example.com"):
        (await plaza[EmailChangeService].ask(ada.actor, EmailInput(email=email))).unwrap()
        (code,) = await codes_to(plaza, email)
        (await plaza[EmailChangeService].confirm(ada.actor, CodeInput(code=code))).unwrap()
    (first,), (second,) = await links_to(plaza, ADA, "undo"), await links_to(plaza, "thief@example.com", "undo")
    told = await at_once(
        [
            lambda n=n: processes[n % 3][EmailChangeService].undo(LinkInput(token=(first, second)[n % 2]))  # type: ignore[misc]
            for n in range(20)
        ]
    )
    assert 1 <= told["OK"] <= 2
    assert told["OK"] + told["TOKEN_USED"] == 20
    assert await column(plaza, "select email from identity_user") == [ADA]


async def test_an_old_password_that_is_looked_at_during_a_change_opens_nothing_afterwards(
    plaza: Stage, processes: list[Any]
) -> None:
    ada = await a_person(plaza, ADA)
    change = ChangePasswordInput(old=PASSWORD, new="a ladder to the moon", end_other_sessions=True)
    old = LoginInput(identifier=ADA, password=PASSWORD)
    await at_once(
        [
            lambda: processes[1][PasswordService].change(ada.actor, change),
            *(lambda n=n: processes[n % 3][LoginService].login(old, ELSEWHERE) for n in range(12)),
        ]
    )
    alive = await column(plaza, "select id from identity_session where revoked_at is null")
    assert alive == [ada.actor.session_id]
