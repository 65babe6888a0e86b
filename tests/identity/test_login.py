"""Login: its answers, its limits, and that a refused one tells nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from argon2 import PasswordHasher as Argon2
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.core.errors import RateLimited
from plaza.core.result import Failure, ServiceResult, Success, success
from plaza.identity import NewUser, Origin, UserService
from plaza.identity.schemas import IdentitySettings, LoginInput, TotpConfirmInput
from plaza.identity.service import LoginService, PasswordHasher, SessionService, TotpService, passwords
from tests.identity.authenticators import App, audited, rows
from tests.identity.builders import (
    ELSEWHERE,
    HERE,
    PASSWORD,
    Person,
    a_person,
    codes_to,
    logged_in,
    mails_to,
    register,
    verify,
)
from tests.support.locks import until_somebody_waits
from tests.support.stage import Stage, configuration_for
from tests.support.statements import statements

ADA = "ada@example.com"
STRANGER = Origin(ip="198.51.100.7", user_agent="guesser/1.0")


async def attempt(logins: LoginService, identifier: str, password: str, origin: Origin = HERE) -> str:
    """The refusal's code, or "OK"."""
    result = await logins.login(LoginInput(identifier=identifier, password=password), origin)
    return result.error.code if isinstance(result, Failure) else "OK"


async def store(plaza: Stage, statement: str, **values: object) -> None:
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def traces(plaza: Stage, person: Person) -> list[list[dict[str, object]]]:
    """What stands of a login in the audit log, in the sessions and in the refresh tokens, but for ids and secrets."""
    own = {
        "audit_entry": ("subject_id = :id", "id,correlation_id,salt,session_id,subject_id"),
        "identity_session": ("id::text = :id", "id"),
        "identity_refresh_token": ("session_id::text = :id", "id,hash,session_id"),
    }
    return [
        await rows(
            plaza,
            f"select to_jsonb(t) - '{{{private}}}'::text[] from {table} t where {condition}",
            id=str(person.actor.session_id),
        )
        for table, (condition, private) in own.items()
    ]


async def sessions_of(plaza: Stage, person: Person) -> list[int]:
    """How many refresh tokens each has; whoever got in has also left an attempt and an entry."""
    tokens = await rows(
        plaza,
        "select count(t.id) from identity_session s join identity_refresh_token t on t.session_id = s.id group by s.id",
    )
    attempts = await rows(
        plaza, "select id from identity_login_attempt where user_id = :id and outcome = 'ok'", id=person.id
    )
    assert len(tokens) == len(attempts) == await audited(plaza, "identity.session_opened")
    return tokens


@pytest.fixture
async def limited(plaza: Stage) -> AsyncIterator[LoginService]:
    """The same, with the limits that the stage lifts."""
    settings = plaza.configuration.plaza
    configuration = configuration_for(settings.database_url, settings.redis_url, PLAZA_RATE_LIMIT_ENABLED="true")
    runtime = Runtime(configuration, "limited", clock=plaza.clock)
    yield runtime.parts[LoginService]
    await runtime.close()


async def test_by_address_in_any_case_or_by_username(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    await store(plaza, "update identity_profile set username = 'Ada_L'")
    for identifier in (ADA, " ADA@Example.COM ", "ada_l", "ADA_L"):
        assert await attempt(plaza[LoginService], identifier, PASSWORD) == "OK"


async def test_a_wrong_password_and_an_unknown_name_answer_alike(plaza: Stage, client: httpx.AsyncClient) -> None:
    await a_person(plaza, ADA)
    answers = []
    for identifier in (ADA, "nobody@example.com", "nobody", "+4915112345678", "no@address@at.all", ""):
        answer = await client.post("/api/v1/auth/login", json={"identifier": identifier, "password": "wrong lantern"})
        body = answer.json()
        body.pop("correlation_id")
        answers.append((answer.status_code, body))
    assert answers[0][0] == 401
    assert answers[0][1]["code"] == "INVALID_CREDENTIALS"
    assert all(each == answers[0] for each in answers)


async def test_every_refused_login_hashes_once(plaza: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work behind an answer, counted rather than timed."""
    await a_person(plaza, ADA)
    (
        await plaza[UserService].create_many([NewUser(email="bare@example.com", display_name="Without a password")])
    ).unwrap()
    hashed = []
    checked = Argon2.verify

    def counting(self: Argon2, hash: str | bytes, password: str | bytes) -> bool:
        hashed.append(hash)
        return checked(self, hash, password)

    monkeypatch.setattr(Argon2, "verify", counting)
    for identifier in (ADA, "nobody@example.com", "bare@example.com", "nobody"):
        hashed.clear()
        assert await attempt(plaza[LoginService], identifier, "wrong lantern") == "INVALID_CREDENTIALS"
        [against] = hashed
        assert not plaza[PasswordHasher].is_outdated(str(against)), "a dummy is as costly as a real one"


async def test_before_the_code_is_used_the_right_password_says_so(plaza: Stage, client: httpx.AsyncClient) -> None:
    await register(plaza, ADA)
    await codes_to(plaza, ADA)
    answer = await client.post("/api/v1/auth/login", json={"identifier": ADA, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (403, "EMAIL_NOT_VERIFIED")
    assert await attempt(plaza[LoginService], ADA, "wrong lantern") == "INVALID_CREDENTIALS"


async def test_registering_an_address_does_not_let_login_tell_whether_it_was_free(plaza: Stage) -> None:
    await a_person(plaza, "taken@example.com")
    for email in ("taken@example.com", "free@example.com"):
        await register(plaza, email, "mallory's lantern", "Eve")
        await mails_to(plaza, email)
    for email in ("taken@example.com", "free@example.com"):
        assert await attempt(plaza[LoginService], email, "mallory's lantern", STRANGER) == "EMAIL_NOT_VERIFIED"
        assert await attempt(plaza[LoginService], email, "wrong lantern", STRANGER) == "INVALID_CREDENTIALS"
    assert await attempt(plaza[LoginService], "taken@example.com", PASSWORD) == "OK"


@pytest.mark.parametrize("status", ["deactivated", "banned"])
async def test_a_disabled_account_tells_only_its_owner(plaza: Stage, client: httpx.AsyncClient, status: str) -> None:
    await a_person(plaza, ADA)
    await store(plaza, "update identity_user set status = :status", status=status)
    answer = await client.post("/api/v1/auth/login", json={"identifier": ADA, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (403, "ACCOUNT_DISABLED")
    assert await attempt(plaza[LoginService], ADA, "wrong lantern") == "INVALID_CREDENTIALS"


async def test_nobody_slips_in_while_the_account_is_being_closed(plaza: Stage) -> None:
    """The login waits for the transaction that closes the account, and then is refused."""
    await a_person(plaza, ADA)
    async with plaza.runtime.db.engine.begin() as closing:
        await closing.execute(text("update identity_user set status = 'banned', version = version + 1"))
        login = asyncio.create_task(attempt(plaza[LoginService], ADA, PASSWORD))
        await until_somebody_waits(plaza.runtime.db)
    assert await login == "ACCOUNT_DISABLED"


@pytest.mark.parametrize("ends_others", [False, True])
async def test_nobody_slips_in_while_the_second_factor_is_turned_on(plaza: Stage, ends_others: bool) -> None:
    """The login waits for the transaction that turns it on, and then is asked for it: also where its password was looked at before."""
    person = await a_person(plaza, ADA)
    setup = (await plaza[TotpService].begin(person.actor)).unwrap()
    given = TotpConfirmInput(code=App(setup.secret, plaza.clock).code(), end_other_sessions=ends_others)
    has_confirmed, may_commit = asyncio.Event(), asyncio.Event()

    async def confirm() -> ServiceResult[None]:
        (await plaza[TotpService].confirm(person.actor, given)).unwrap()
        has_confirmed.set()
        await may_commit.wait()
        return success(None)

    confirming = asyncio.create_task(plaza.runtime.db.run(confirm))
    await has_confirmed.wait()
    login = asyncio.create_task(attempt(plaza[LoginService], ADA, PASSWORD))
    await until_somebody_waits(plaza.runtime.db)
    may_commit.set()
    (await confirming).unwrap()
    assert await login == "MFA_REQUIRED"
    assert len(await rows(plaza, "select id from identity_session")) == 1


async def test_the_usual_login_is_two_statements_and_leaves_what_others_leave(plaza: Stage) -> None:
    """The first from a device takes the long way, for its owner is told of it."""
    await a_person(plaza, ADA)
    long_way = await logged_in(plaza, ADA, origin=ELSEWHERE)
    with statements(plaza.runtime.db) as sent:
        at_once = await logged_in(plaza, ADA, origin=ELSEWHERE)
    assert len(sent) == 2
    left = [await traces(plaza, each) for each in (long_way, at_once)]
    assert left[0] == left[1]
    assert [len(each) for each in left[0]] == [1, 1, 1]
    (await plaza[SessionService].refresh(at_once.pair.refresh_token or "", ELSEWHERE)).unwrap()


async def test_two_logins_at_once_both_get_in(plaza: Stage) -> None:
    """Of those that have read the same row, the slower one looks again."""
    person = await a_person(plaza, ADA)
    told = await asyncio.gather(*(attempt(plaza[LoginService], ADA, PASSWORD) for _ in range(5)))
    assert told == ["OK"] * 5
    assert await sessions_of(plaza, person) == [1] * 6


async def test_a_password_costs_what_owasp_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "Argon2", Argon2)  # in tests they cost less
    hashed = await PasswordHasher(IdentitySettings()).hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_an_outdated_hash_is_renewed_on_login(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    old = Argon2(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    await store(plaza, "update identity_user set password_hash = :old", old=old)
    assert await attempt(plaza[LoginService], ADA, PASSWORD) == "OK"
    async with plaza.runtime.db.reader.connect() as connection:
        stored = (await connection.execute(text("select password_hash from identity_user"))).scalar_one()
    assert plaza[PasswordHasher].is_outdated(old)
    assert not plaza[PasswordHasher].is_outdated(stored)
    assert await attempt(plaza[LoginService], ADA, PASSWORD) == "OK"


async def test_composed_and_decomposed_letters_are_one_password(plaza: Stage) -> None:
    await register(plaza, ADA, "Zoe\u0308 in the lantern")
    [code] = await codes_to(plaza, ADA)
    assert isinstance(await verify(plaza, ADA, code), Success)
    assert await attempt(plaza[LoginService], ADA, "Zo\u00eb in the lantern") == "OK"


@pytest.mark.parametrize("identifier", [ADA, "nobody@example.com"])
async def test_five_failures_then_a_growing_wait(plaza: Stage, limited: LoginService, identifier: str) -> None:
    await a_person(plaza, ADA)
    assert [await attempt(limited, identifier, "wrong lantern", STRANGER) for _ in range(5)] == [
        "INVALID_CREDENTIALS"
    ] * 5
    waits = []
    for _ in range(7):
        refused = await limited.login(LoginInput(identifier=identifier, password="wrong lantern"), STRANGER)
        assert isinstance(refused, Failure)
        assert isinstance(refused.error, RateLimited)
        waits.append(round(refused.error.retry_after or 0))
        plaza.clock.advance(timedelta(seconds=refused.error.retry_after or 0))
        assert await attempt(limited, identifier, "wrong lantern", STRANGER) == "INVALID_CREDENTIALS"
    assert waits == [30, 60, 120, 240, 480, 900, 900]


async def test_a_blocked_identifier_refuses_the_right_password_too(plaza: Stage, limited: LoginService) -> None:
    await a_person(plaza, ADA)
    for _ in range(5):
        await attempt(limited, ADA, "wrong lantern", STRANGER)
    assert await attempt(limited, ADA, PASSWORD, STRANGER) == "RATE_LIMITED"
    plaza.clock.advance(timedelta(seconds=31))
    assert await attempt(limited, ADA, PASSWORD, STRANGER) == "OK"


async def test_spelling_an_identifier_differently_wins_no_tries(plaza: Stage, limited: LoginService) -> None:
    await a_person(plaza, ADA)
    spellings = [ADA, "ADA@example.com", " ada@EXAMPLE.com", "Ada@Example.Com ", "aDa@example.com"]
    for identifier in spellings:
        assert await attempt(limited, identifier, "wrong lantern", STRANGER) == "INVALID_CREDENTIALS"
    assert await attempt(limited, "adA@example.com", "wrong lantern", STRANGER) == "RATE_LIMITED"


async def test_one_domain_in_two_spellings_is_one_identifier(limited: LoginService) -> None:
    for _ in range(5):
        await attempt(limited, "ada@B\u00fccher.example", "wrong lantern", STRANGER)
    assert await attempt(limited, "ada@xn--bcher-kva.example", "wrong lantern", STRANGER) == "RATE_LIMITED"


async def test_strangers_do_not_lock_out_the_owner_on_a_known_device(plaza: Stage, limited: LoginService) -> None:
    await a_person(plaza, ADA)
    for _ in range(6):
        await attempt(limited, ADA, "wrong lantern", STRANGER)
    assert await attempt(limited, ADA, PASSWORD, ELSEWHERE) == "RATE_LIMITED"
    assert await attempt(limited, ADA, PASSWORD, HERE) == "OK"
    for _ in range(5):
        assert await attempt(limited, ADA, "wrong lantern", HERE) == "INVALID_CREDENTIALS"
    assert await attempt(limited, ADA, PASSWORD, HERE) == "RATE_LIMITED"


async def test_a_success_forgets_the_failures(plaza: Stage, limited: LoginService) -> None:
    await a_person(plaza, ADA)
    for _ in range(3):
        for _ in range(4):
            assert await attempt(limited, ADA, "wrong lantern") == "INVALID_CREDENTIALS"
        assert await attempt(limited, ADA, PASSWORD) == "OK"


async def test_a_registration_of_ones_own_does_not_forget_them(plaza: Stage, limited: LoginService) -> None:
    """Else a guesser could register the address and clear the count with the password of that registration."""
    await a_person(plaza, ADA)
    await register(plaza, ADA, "mallory's lantern", "Eve")
    await mails_to(plaza, ADA)
    for _ in range(4):
        assert await attempt(limited, ADA, "wrong lantern", STRANGER) == "INVALID_CREDENTIALS"
    assert await attempt(limited, ADA, "mallory's lantern", STRANGER) == "EMAIL_NOT_VERIFIED"
    assert await attempt(limited, ADA, "wrong lantern", STRANGER) == "RATE_LIMITED"


async def test_guesses_at_once_do_not_slip_through_together(plaza: Stage, limited: LoginService) -> None:
    await a_person(plaza, ADA)
    told = await asyncio.gather(*(attempt(limited, ADA, f"wrong lantern {n}", STRANGER) for n in range(30)))
    assert sorted(told) == ["INVALID_CREDENTIALS"] * 5 + ["RATE_LIMITED"] * 25


async def test_without_redis_login_is_unavailable(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    settings = plaza.configuration.plaza
    broken = configuration_for(
        settings.database_url, "unix:///nonexistent/valkey.sock", PLAZA_RATE_LIMIT_ENABLED="true"
    )
    runtime = Runtime(broken, "limited", clock=plaza.clock)
    try:
        for identifier in (ADA, "nobody@example.com"):
            assert await attempt(runtime.parts[LoginService], identifier, PASSWORD) == "UNAVAILABLE"
    finally:
        await runtime.close()


async def test_beyond_the_queue_of_passwords_a_login_is_turned_away_at_once() -> None:
    hasher = PasswordHasher(IdentitySettings(hash_threads=1, hash_queue=2))
    results = await asyncio.gather(*(hasher.hash("a lantern") for _ in range(10)), return_exceptions=True)
    refused = [each for each in results if isinstance(each, RateLimited)]
    assert len(refused) == 7
    assert all(each.retry_after for each in refused)
    assert (await hasher.matches("a lantern", [await hasher.hash("a lantern")])) == [True]


async def test_an_overload_counts_against_nobody(
    plaza: Stage, limited: LoginService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_person(plaza, ADA)
    with monkeypatch.context() as full:
        full.setattr(limited.hasher, "_free", 0)
        assert [await attempt(limited, ADA, PASSWORD) for _ in range(6)] == ["RATE_LIMITED"] * 6
    assert await attempt(limited, ADA, PASSWORD) == "OK"


async def test_a_cancelled_login_gives_its_place_back() -> None:
    hasher = PasswordHasher(IdentitySettings(hash_threads=1, hash_queue=1))
    for _ in range(5):
        waiting = [asyncio.create_task(hasher.hash("a lantern")) for _ in range(2)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        while hasher._free < 2:
            await asyncio.sleep(0.005)
    assert await hasher.hash("a lantern")


async def test_a_login_is_remembered_as_a_session_of_its_device(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    person = await logged_in(plaza, ADA, origin=ELSEWHERE)
    async with plaza.client(person.pair.access_token) as client:
        items = (await client.get("/api/v1/auth/sessions")).json()["items"]
    assert [(each["current"], each["ip"], each["device"]["name"], each["device"]["platform"]) for each in items] == [
        (True, "203.0.113.9", "curl", "unknown"),
        (False, "127.0.0.1", "Firefox on Linux", "linux"),
    ]
