"""Recovery codes."""

from __future__ import annotations

import pytest

from plaza.identity.service import RecoveryCodeService
from tests.identity.authenticators import an_app, audited, half_login, outcome, rows, verify_code, verify_recovery
from tests.identity.builders import ELSEWHERE, a_person, is_told, logged_in, mails_to
from tests.support.stage import Stage

RENEW = "/api/v1/auth/mfa/recovery-codes"


async def test_each_is_good_once(plaza: Stage) -> None:
    person = await a_person(plaza)
    code = (await an_app(plaza, person)).recovery_codes[3]
    assert await verify_recovery(plaza, await half_login(plaza, person), code) == "OK"
    assert await verify_recovery(plaza, await half_login(plaza, person), code) == "CODE_INVALID"
    assert await audited(plaza, "identity.recovery_code_used") == 1
    mails = await mails_to(plaza, person.email, at_least=2)
    [told] = [mail["body"] for mail in mails if "one of your recovery codes" in mail["body"]]
    assert "9 of them are left" in told
    assert code not in told


@pytest.mark.parametrize("spelled", [str.upper, lambda code: code.replace("-", " "), lambda code: f" {code}\n"])
async def test_it_may_be_spelled_as_people_write(plaza: Stage, spelled: object) -> None:
    person = await a_person(plaza)
    code = (await an_app(plaza, person)).recovery_codes[0]
    assert callable(spelled)
    assert await verify_recovery(plaza, await half_login(plaza, person), spelled(code)) == "OK"


async def test_letters_that_look_like_digits_are_read_as_digits(plaza: Stage) -> None:
    person = await a_person(plaza)
    codes = (await an_app(plaza, person)).recovery_codes
    code = next((each for each in codes if "0" in each or "1" in each), codes[0])
    misread = code.replace("0", "O").replace("1", "l")
    assert await verify_recovery(plaza, await half_login(plaza, person), misread) == "OK"


async def test_they_are_long_enough_to_be_hashed_plainly(plaza: Stage) -> None:
    codes = (await an_app(plaza, await a_person(plaza))).recovery_codes
    assert len(set(codes)) == 10
    assert {len(code.replace("-", "")) for code in codes} == {24}  # of 32 letters: 120 bits
    assert set("".join(codes)) <= set("0123456789abcdefghjkmnpqrstvwxyz-")


async def test_new_ones_void_the_old_ones(plaza: Stage) -> None:
    person = await a_person(plaza)
    old = (await an_app(plaza, person)).recovery_codes
    client = plaza.client(person.pair.access_token)
    answer = await client.post(RENEW)
    new = answer.json()["recovery_codes"]
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert len(set(new)) == 10
    assert not set(new) & set(old)
    assert await verify_recovery(plaza, await half_login(plaza, person), old[0]) == "CODE_INVALID"
    assert await verify_recovery(plaza, await half_login(plaza, person), new[0]) == "OK"
    assert (await client.get("/api/v1/auth/mfa")).json()["recovery_codes_left"] == 9
    assert await audited(plaza, "identity.recovery_codes_made") == 1
    await is_told(plaza, person.email, "old ones are void")


async def test_another_person_cannot_use_them(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com", name="Grace")
    code = (await an_app(plaza, ada)).recovery_codes[0]
    await an_app(plaza, grace)
    assert await verify_recovery(plaza, await half_login(plaza, grace), code) == "CODE_INVALID"
    assert await verify_recovery(plaza, await half_login(plaza, ada), code) == "OK"


async def test_when_all_are_used_only_the_app_is_offered(plaza: Stage) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    for code in app.recovery_codes:
        assert await verify_recovery(plaza, await half_login(plaza, person), code) == "OK"
    assert await rows(plaza, "select id from identity_recovery_code where used_at is null") == []
    assert await verify_code(plaza, await half_login(plaza, person), app.code()) == "OK"


async def test_without_an_app_there_are_none(plaza: Stage) -> None:
    person = await a_person(plaza)
    answer = await plaza.client(person.pair.access_token).post(RENEW)
    assert (answer.status_code, answer.json()["code"]) == (409, "MFA_NOT_ENABLED")
    assert await rows(plaza, "select id from identity_recovery_code") == []


async def test_a_session_that_showed_no_second_factor_makes_none(plaza: Stage) -> None:
    person = await a_person(plaza)
    intruder = await logged_in(plaza, person.email, origin=ELSEWHERE)
    codes = (await an_app(plaza, person)).recovery_codes
    assert outcome(await plaza[RecoveryCodeService].renew(intruder.actor)) == "STEP_UP_REQUIRED"
    assert await verify_recovery(plaza, await half_login(plaza, person), codes[0]) == "OK"
