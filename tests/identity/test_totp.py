"""Authenticator apps: setting one up, replacing it, turning it off."""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree

import httpx
import pyotp
import pytest

from plaza.core.result import Success
from plaza.identity.schemas import LoginInput, TotpConfirmInput
from plaza.identity.service import LoginService, TotpService
from tests.identity.authenticators import App, an_app, audited, half_login, outcome, rows, verify_code, verify_recovery
from tests.identity.builders import (
    ELSEWHERE,
    HERE,
    PASSWORD,
    a_person,
    is_accepted,
    is_told,
    logged_in,
    mails_to,
    wrong,
)
from tests.support.clock import ManualClock
from tests.support.stage import Stage

AUTH = "/api/v1/auth"


async def test_an_app_is_set_up_over_http(plaza: Stage) -> None:
    person = await a_person(plaza)
    client = plaza.client(person.pair.access_token)
    assert (await client.get(f"{AUTH}/mfa")).json() == {
        "totp": False,
        "totp_confirmed_at": None,
        "recovery_codes_left": 0,
    }
    answer = await client.post(f"{AUTH}/mfa/totp")
    setup = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    scanned = pyotp.parse_uri(setup["uri"])
    assert (scanned.secret, scanned.name, scanned.issuer) == (setup["secret"], "ada@example.com", "Plaza")
    assert len(setup["secret"]) == 32  # base32: 160 bits
    assert ElementTree.fromstring(setup["qr_svg"]).tag == "{http://www.w3.org/2000/svg}svg"

    app = App(setup["secret"], plaza.clock)
    answer = await client.post(f"{AUTH}/mfa/totp/confirm", json={"code": app.code()})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert len(set(answer.json()["recovery_codes"])) == 10
    overview = (await client.get(f"{AUTH}/mfa")).json()
    assert (overview["totp"], overview["recovery_codes_left"]) == (True, 10)
    assert await audited(plaza, "identity.mfa_enabled") == 1
    [told] = [mail for mail in await mails_to(plaza, person.email) if "authenticator app was added" in mail["body"]]
    assert setup["secret"] not in told["body"]


async def test_no_secret_is_stored_as_it_is(plaza: Stage) -> None:
    app = await an_app(plaza, await a_person(plaza))
    [sealed] = await rows(plaza, "select sealed_secret from identity_totp_device")
    assert app.secret not in sealed
    hashes = await rows(plaza, "select hash from identity_recovery_code")
    assert len(hashes) == 10
    assert not any(code.encode() in hash for code in app.recovery_codes for hash in hashes)


async def test_until_it_is_confirmed_nothing_is_asked(plaza: Stage) -> None:
    person = await a_person(plaza)
    setup = (await plaza[TotpService].begin(person.actor)).unwrap()
    right = App(setup.secret, plaza.clock).code()
    assert (
        outcome(await plaza[TotpService].confirm(person.actor, TotpConfirmInput(code=wrong(right)))) == "CODE_INVALID"
    )
    assert (await logged_in(plaza, person.email)).id == person.id
    assert await rows(plaza, "select id from identity_recovery_code") == []
    assert await audited(plaza, "identity.mfa_enabled") == 0
    assert outcome(await plaza[TotpService].confirm(person.actor, TotpConfirmInput(code=right))) == "OK"
    assert await half_login(plaza, person)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "x" * 10_000])
async def test_what_is_no_code(plaza: Stage, code: str) -> None:
    person = await a_person(plaza)
    (await plaza[TotpService].begin(person.actor)).unwrap()
    assert outcome(await plaza[TotpService].confirm(person.actor, TotpConfirmInput(code=code))) == "CODE_INVALID"


async def test_a_set_up_waits_for_a_quarter_of_an_hour(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    setup = (await plaza[TotpService].begin(person.actor)).unwrap()
    clock.advance(timedelta(minutes=15))
    code = App(setup.secret, clock).code()
    assert outcome(await plaza[TotpService].confirm(person.actor, TotpConfirmInput(code=code))) == "CODE_EXPIRED"
    assert (await logged_in(plaza, person.email)).id == person.id


async def test_only_the_latest_set_up_counts(plaza: Stage) -> None:
    person = await a_person(plaza)
    first, second = [App((await plaza[TotpService].begin(person.actor)).unwrap().secret, plaza.clock) for _ in range(2)]
    confirm = plaza[TotpService].confirm
    assert outcome(await confirm(person.actor, TotpConfirmInput(code=first.code()))) == "CODE_INVALID"
    assert outcome(await confirm(person.actor, TotpConfirmInput(code=second.code()))) == "OK"


async def test_another_app_takes_the_place_of_the_first(plaza: Stage) -> None:
    person = await a_person(plaza)
    first = await an_app(plaza, person)
    second = await an_app(plaza, person)
    assert await verify_code(plaza, await half_login(plaza, person), first.code()) == "CODE_INVALID"
    assert await verify_code(plaza, await half_login(plaza, person), second.code()) == "OK"
    assert await rows(plaza, "select count(*) from identity_totp_device") == [1]
    assert await verify_recovery(plaza, await half_login(plaza, person), first.recovery_codes[0]) == "CODE_INVALID"


@pytest.mark.parametrize("end_others", [True, False])
async def test_turning_it_on_offers_to_end_the_other_sessions(plaza: Stage, end_others: bool) -> None:
    person = await a_person(plaza)
    other = await logged_in(plaza, person.email, origin=ELSEWHERE)
    setup = (await plaza[TotpService].begin(person.actor)).unwrap()
    given = TotpConfirmInput(code=App(setup.secret, plaza.clock).code(), end_other_sessions=end_others)
    (await plaza[TotpService].confirm(person.actor, given)).unwrap()
    assert await is_accepted(plaza, person.pair.access_token)
    assert await is_accepted(plaza, other.pair.access_token) is not end_others


async def test_it_is_turned_off_by_who_has_shown_it(plaza: Stage) -> None:
    person = await a_person(plaza)
    intruder = await logged_in(plaza, person.email, origin=ELSEWHERE)
    await an_app(plaza, person)
    for refused in (
        await plaza[TotpService].remove(intruder.actor, end_other_sessions=False),
        await plaza[TotpService].begin(intruder.actor),
    ):
        assert outcome(refused) == "STEP_UP_REQUIRED"
    assert await half_login(plaza, person)
    assert await audited(plaza, "identity.mfa_disabled") == 0

    client = plaza.client(person.pair.access_token)
    answer = await client.delete(f"{AUTH}/mfa/totp", params={"end_other_sessions": True})
    assert answer.status_code == 204
    assert not await is_accepted(plaza, intruder.pair.access_token)
    assert (await logged_in(plaza, person.email)).id == person.id
    assert await rows(plaza, "select id from identity_recovery_code") == []
    assert await audited(plaza, "identity.mfa_disabled") == 1
    await is_told(plaza, person.email, "second factor was removed")


async def test_who_lost_the_app_turns_it_off_after_a_login_with_a_recovery_code(
    plaza: Stage, client: httpx.AsyncClient
) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    given = {"mfa_token": await half_login(plaza, person), "recovery_code": app.recovery_codes[0]}
    pair = (await client.post(f"{AUTH}/mfa/verify", json=given)).json()
    answer = await plaza.client(pair["access_token"]).delete(f"{AUTH}/mfa/totp")
    assert answer.status_code == 204
    login = await plaza[LoginService].login(LoginInput(identifier=person.email, password=PASSWORD), HERE)
    assert isinstance(login, Success)


async def test_without_one_there_is_nothing_to_turn_off(plaza: Stage) -> None:
    person = await a_person(plaza)
    answer = await plaza.client(person.pair.access_token).delete(f"{AUTH}/mfa/totp")
    assert (answer.status_code, answer.json()["code"]) == (409, "MFA_NOT_ENABLED")
