"""The second half of a login."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest

from plaza.app.runtime import Runtime
from plaza.core.crypto import Sealed, Vault
from plaza.core.result import Failure
from plaza.identity import SessionService, TokenService
from plaza.identity.models import EndReason
from plaza.identity.schemas import ChangePasswordInput, MfaVerifyInput
from plaza.identity.service import MfaService, PasswordService, TotpService
from tests.identity.authenticators import an_app, half_login, outcome, rows, verify_code, verify_recovery
from tests.identity.builders import HERE, PASSWORD, Person, a_person, is_accepted, logged_in, wrong
from tests.support.clock import ManualClock
from tests.support.stage import Stage, configuration_for

AUTH = "/api/v1/auth"


async def test_a_login_asks_for_the_second_factor(plaza: Stage, client: httpx.AsyncClient) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    answer = await client.post(f"{AUTH}/login", json={"identifier": person.email, "password": PASSWORD})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (401, "MFA_REQUIRED")
    assert problem["methods"] == ["totp", "recovery_code"]

    answer = await client.post(f"{AUTH}/mfa/verify", json={"mfa_token": problem["mfa_token"], "code": app.code()})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    pair = answer.json()
    assert pair["user"]["id"] == str(person.id)
    actor = await plaza[TokenService].authenticate(pair["access_token"])
    assert actor.methods == {"pwd", "otp", "mfa"}


async def test_the_refresh_token_may_go_into_the_cookie(plaza: Stage, client: httpx.AsyncClient) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    given = {"mfa_token": await half_login(plaza, person), "code": app.code()}
    answer = await client.post(f"{AUTH}/mfa/verify", params={"cookie": True}, json=given)
    assert answer.json()["refresh_token"] is None
    assert "plaza_refresh" in answer.cookies


@pytest.mark.parametrize("both", [{}, {"code": "123456", "recovery_code": "x"}])
async def test_either_a_code_or_a_recovery_code(client: httpx.AsyncClient, both: dict[str, str]) -> None:
    answer = await client.post(f"{AUTH}/mfa/verify", json={"mfa_token": "x", **both})
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("token", ["", "x", "é", "x" * 5000])
async def test_what_is_no_token(plaza: Stage, token: str) -> None:
    assert await verify_code(plaza, token, "123456") == "CHALLENGE_INVALID"


async def test_a_code_is_accepted_once(plaza: Stage) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    code = app.code()
    assert await verify_code(plaza, await half_login(plaza, person), code) == "OK"
    assert await verify_code(plaza, await half_login(plaza, person), code) == "CODE_INVALID"
    assert await verify_code(plaza, await half_login(plaza, person), app.code(1)) == "OK"
    assert await verify_code(plaza, await half_login(plaza, person), app.code(0)) == "CODE_INVALID"


async def test_the_code_that_confirmed_the_app_opens_nothing(plaza: Stage) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    assert await verify_code(plaza, await half_login(plaza, person), app.code(-1)) == "CODE_INVALID"


@pytest.mark.parametrize(
    ("steps", "expected"), [(-2, "CODE_INVALID"), (-1, "OK"), (0, "OK"), (1, "OK"), (2, "CODE_INVALID")]
)
async def test_clocks_may_differ_by_a_step(plaza: Stage, clock: ManualClock, steps: int, expected: str) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    clock.advance(timedelta(minutes=2))
    assert await verify_code(plaza, await half_login(plaza, person), app.code(steps)) == expected


async def test_an_app_in_use_outlives_the_secret_that_sealed_it(plaza: Stage) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    settings, renewed = plaza.configuration.plaza, "another secret of this installation, long enough"
    variables = {"PLAZA_SECRET_KEY": renewed, "PLAZA_SECRET_KEY_FALLBACKS": settings.secret_key}
    runtime = Runtime(
        configuration_for(settings.database_url, settings.redis_url, **variables), "renewed", clock=plaza.clock
    )
    try:
        given = MfaVerifyInput(mfa_token=await half_login(plaza, person), code=app.code())
        assert outcome(await runtime.parts[MfaService].verify(given, HERE)) == "OK"
    finally:
        await runtime.close()
    [sealed] = await rows(plaza, "select sealed_secret from identity_totp_device")
    assert Vault(renewed).open(Sealed[str](sealed)) == app.secret


async def test_tries_are_written_down(plaza: Stage) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    token = await half_login(plaza, person)
    for code in (wrong(app.code(5)), app.code()):
        await verify_code(plaza, token, code)
    tried = "select method || ' ' || outcome from identity_login_attempt order by id"
    assert (await rows(plaza, tried))[1:] == ["pwd MFA_REQUIRED", "otp CODE_INVALID", "pwd+otp+mfa ok"]


async def test_a_token_is_good_for_one_login(plaza: Stage) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    token = await half_login(plaza, person)
    assert await verify_code(plaza, token, app.code()) == "OK"
    assert await verify_code(plaza, token, app.code(1)) == "CHALLENGE_INVALID"


async def test_a_token_lasts_five_minutes(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    tokens = [await half_login(plaza, person) for _ in range(2)]
    clock.advance(timedelta(seconds=299))
    assert await verify_code(plaza, tokens[0], app.code()) == "OK"
    clock.advance(timedelta(seconds=1))
    assert await verify_code(plaza, tokens[1], app.code(1)) == "CHALLENGE_INVALID"


async def test_after_five_wrong_codes_the_token_is_gone(plaza: Stage) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    token = await half_login(plaza, person)
    told = [await verify_code(plaza, token, wrong(app.code(5))) for _ in range(3)]
    told += [await verify_recovery(plaza, token, "no such code") for _ in range(2)]
    assert told == ["CODE_INVALID"] * 5
    assert await verify_code(plaza, token, app.code()) == "CHALLENGE_INVALID"
    assert await verify_code(plaza, await half_login(plaza, person), app.code()) == "OK"


async def test_wrong_codes_are_counted_over_all_of_a_persons_tokens(plaza: Stage, clock: ManualClock) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com", name="Grace")
    app, graces = await an_app(plaza, ada), await an_app(plaza, grace)
    for _ in range(5):
        token = await half_login(plaza, ada)
        assert [await verify_code(plaza, token, "no") for _ in range(2)] == ["CODE_INVALID"] * 2
    token = await half_login(plaza, ada)
    refused = await plaza[MfaService].verify(MfaVerifyInput(mfa_token=token, code=app.code()), HERE)
    assert isinstance(refused, Failure)
    assert refused.error.code == "RATE_LIMITED"
    assert refused.error.retry_after == pytest.approx(3600, abs=1)
    assert await verify_code(plaza, await half_login(plaza, grace), graces.code()) == "OK"
    clock.advance(timedelta(hours=1))
    assert await verify_code(plaza, await half_login(plaza, ada), app.code()) == "OK"


async def test_a_token_of_an_account_that_was_closed_meanwhile(plaza: Stage) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    token = await half_login(plaza, person)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.exec_driver_sql("update identity_user set status = 'banned'")
    assert await verify_code(plaza, token, app.code()) == "ACCOUNT_DISABLED"
    assert await rows(plaza, "select used_at from identity_mfa_challenge") == [None]


async def by_a_new_password(plaza: Stage, person: Person) -> None:
    given = ChangePasswordInput(old=PASSWORD, new="another phrase of some length")
    (await plaza[PasswordService].change(person.actor, given)).unwrap()


async def by_ending_all_sessions(plaza: Stage, person: Person) -> None:
    (await plaza[SessionService].logout_all(person.actor)).unwrap()


async def by_ending_the_others(plaza: Stage, person: Person) -> None:
    (await plaza[SessionService].end_others(person.actor, EndReason.CREDENTIALS_CHANGED)).unwrap()


@pytest.mark.parametrize("void", [by_a_new_password, by_ending_all_sessions, by_ending_the_others])
async def test_a_token_goes_with_what_earned_it(plaza: Stage, void: Callable[[Stage, Person], Awaitable[None]]) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    token = await half_login(plaza, person)
    await void(plaza, person)
    assert await verify_code(plaza, token, app.code()) == "CHALLENGE_INVALID"


async def test_a_token_opens_nothing_once_the_app_is_gone(plaza: Stage) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    token = await half_login(plaza, person)
    (await plaza[TotpService].remove(person.actor, end_other_sessions=False)).unwrap()
    assert await verify_code(plaza, token, app.code()) == "CODE_INVALID"
    assert await verify_recovery(plaza, token, app.recovery_codes[0]) == "CODE_INVALID"
    assert (await logged_in(plaza, person.email)).id == person.id


async def test_the_session_that_the_login_was_to_replace_ends_with_the_second_half(plaza: Stage) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    signed_in = plaza.client(person.pair.access_token)
    answer = await signed_in.post(f"{AUTH}/login", json={"identifier": person.email, "password": PASSWORD})
    assert await is_accepted(plaza, person.pair.access_token)
    given = {"mfa_token": answer.json()["mfa_token"], "code": app.code()}
    assert (await plaza.client().post(f"{AUTH}/mfa/verify", json=given)).status_code == 200
    assert not await is_accepted(plaza, person.pair.access_token)
    assert await rows(plaza, "select revoked_reason from identity_session where revoked_at is not null") == [
        EndReason.REAUTHENTICATED
    ]


async def test_only_hashes_of_tokens_are_stored_and_old_ones_are_purged(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    await an_app(plaza, person)
    token = await half_login(plaza, person)
    [hash] = await rows(plaza, "select hash from identity_mfa_challenge")
    assert token.encode() not in hash
    (await plaza[TotpService].begin(person.actor)).unwrap()
    clock.advance(timedelta(hours=23))
    (await plaza[MfaService].purge()).unwrap()
    assert await rows(plaza, "select count(*) from identity_mfa_challenge") == [1]
    clock.advance(timedelta(hours=2))
    (await plaza[MfaService].purge()).unwrap()
    assert await rows(plaza, "select count(*) from identity_mfa_challenge") == [0]
    assert await rows(plaza, "select confirmed_at is not null from identity_totp_device") == [True]
