"""Codes, keys and their challenges tried many times at once: each is good once, and the last way in stays."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import cycle

import msgspec
import pytest

from plaza.app.runtime import Runtime
from plaza.identity.schemas import (
    DeviceKeyRemoval,
    DeviceLogin,
    MfaVerifyInput,
    PasskeyLogin,
    TotpConfirmInput,
)
from plaza.identity.service import DeviceKeyService, MfaService, PasskeyService, TotpService
from tests.identity.authenticators import (
    Authenticator,
    Phone,
    a_passkey,
    an_app,
    audited,
    device_challenge,
    enroll,
    half_login,
    outcome,
    passkey_input,
    rows,
)
from tests.identity.builders import HERE, a_person
from tests.support.stage import Stage, configuration_for

MANY = 50
LET_IN = "select count(*) from identity_login_attempt where outcome = 'ok' and method like '%mfa'"


@pytest.fixture
async def processes(plaza: Stage, database_url: str, redis_url: str) -> AsyncIterator[list[Runtime]]:
    """Two, each with connections of its own."""
    # Fifty tries of one person wait for one row: what is measured here is who wins, not how long the others wait.
    patient = {"PLAZA_DATABASE_LOCK_TIMEOUT_MS": "30000", "PLAZA_DATABASE_TRANSACTION_TIMEOUT_S": "30"}
    configuration = configuration_for(database_url, redis_url, PLAZA_DATABASE_POOL_TIMEOUT_S="30", **patient)
    made = [Runtime(configuration, "api", clock=plaza.clock) for _ in range(2)]
    yield made
    for each in made:
        await each.close()


async def test_an_mfa_token_and_its_code_are_good_once(plaza: Stage, processes: list[Runtime]) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    given = MfaVerifyInput(mfa_token=await half_login(plaza, person), code=app.code())
    services = [each.parts[MfaService] for each in processes]
    tries = [service.verify(given, HERE) for service, _ in zip(cycle(services), range(MANY), strict=False)]
    told = Counter(outcome(each) for each in await asyncio.gather(*tries))
    assert told == {"OK": 1, "CHALLENGE_INVALID": MANY - 1}
    assert await rows(plaza, LET_IN) == [1]


@pytest.mark.parametrize("kind", ["code", "recovery_code"])
async def test_one_code_is_good_for_one_of_many_logins(plaza: Stage, processes: list[Runtime], kind: str) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    code = app.code() if kind == "code" else app.recovery_codes[0]
    tokens = [await half_login(plaza, person) for _ in range(10)]
    services = cycle([each.parts[MfaService] for each in processes])
    tries = [
        next(services).verify(MfaVerifyInput(mfa_token=token, **{kind: code}), HERE)
        for token in tokens
        for _ in range(MANY // len(tokens))
    ]
    told = Counter(outcome(each) for each in await asyncio.gather(*tries))
    assert told["OK"] == 1
    assert set(told) <= {"OK", "CODE_INVALID", "CHALLENGE_INVALID", "RATE_LIMITED"}
    assert await rows(plaza, LET_IN) == [1]


async def test_wrong_codes_at_once_are_all_counted(plaza: Stage, processes: list[Runtime]) -> None:
    person = await a_person(plaza)
    await an_app(plaza, person)
    given = MfaVerifyInput(mfa_token=await half_login(plaza, person), code="no")
    services = cycle([each.parts[MfaService] for each in processes])
    told = Counter(
        outcome(each) for each in await asyncio.gather(*(next(services).verify(given, HERE) for _ in range(MANY)))
    )
    assert told == {"CODE_INVALID": 5, "CHALLENGE_INVALID": MANY - 5}


async def test_two_apps_confirmed_at_once_leave_one(plaza: Stage, processes: list[Runtime]) -> None:
    person = await a_person(plaza)
    app = await an_app(plaza, person)
    setup = (await plaza[TotpService].begin(person.actor)).unwrap()
    given = TotpConfirmInput(code=type(app)(setup.secret, plaza.clock).code())
    services = [each.parts[TotpService] for each in processes]
    told = Counter(
        outcome(each) for each in await asyncio.gather(*(each.confirm(person.actor, given) for each in services * 5))
    )
    assert told == {"OK": 1, "CODE_EXPIRED": 9}
    assert await rows(plaza, "select count(*) from identity_totp_device") == [1]
    assert await rows(plaza, "select count(*) from identity_recovery_code") == [10]


async def test_a_passkeys_challenge_is_good_once(plaza: Stage, processes: list[Runtime]) -> None:
    person = await a_person(plaza)
    authenticator = await a_passkey(plaza, person)
    asked = (await plaza[PasskeyService].authentication_options()).unwrap()
    answer = {"challenge_id": asked.challenge_id, "credential": authenticator.get(asked.options)}
    given = msgspec.convert(answer, PasskeyLogin)
    services = cycle([each.parts[PasskeyService] for each in processes])
    tries = [next(services).authenticate(given, HERE) for _ in range(MANY)]
    told = Counter(outcome(each) for each in await asyncio.gather(*tries))
    assert told == {"OK": 1, "CHALLENGE_INVALID": MANY - 1}
    assert await rows(plaza, LET_IN) == [1]


async def test_a_new_passkey_is_registered_once(plaza: Stage, processes: list[Runtime]) -> None:
    person = await a_person(plaza)
    asked = (await plaza[PasskeyService].registration_options(person.actor)).unwrap()
    given = passkey_input(asked, Authenticator().create(asked.options))
    services = cycle([each.parts[PasskeyService] for each in processes])
    tries = [next(services).register(person.actor, given, "") for _ in range(MANY)]
    told = Counter(outcome(each) for each in await asyncio.gather(*tries))
    assert told == {"OK": 1, "CHALLENGE_INVALID": MANY - 1}
    assert await audited(plaza, "identity.passkey_added") == 1


async def test_a_devices_challenge_is_good_once(plaza: Stage, processes: list[Runtime]) -> None:
    person, phone = await a_person(plaza), Phone()
    (await enroll(plaza, person, phone)).unwrap()
    challenge = await device_challenge(plaza, email=person.email)
    given = DeviceLogin(email=person.email, challenge=challenge, signature=phone.sign(challenge))
    services = cycle([each.parts[DeviceKeyService] for each in processes])
    tries = [next(services).authenticate(given, HERE) for _ in range(MANY)]
    told = Counter(outcome(each) for each in await asyncio.gather(*tries))
    assert told == {"OK": 1, "CHALLENGE_INVALID": MANY - 1}


async def test_the_bound_of_keys_holds(plaza: Stage, processes: list[Runtime]) -> None:
    person = await a_person(plaza)
    most = DeviceKeyService.MOST
    tries = [
        enroll(plaza, person, Phone(), challenge=await device_challenge(plaza, user_id=person.id)) for _ in range(10)
    ]
    told = Counter(outcome(each) for each in await asyncio.gather(*tries))
    assert told == {"OK": most, "TOO_MANY_KEYS": 10 - most}
    assert await rows(plaza, "select count(*) from identity_device_key") == [most]


@pytest.mark.parametrize("kinds", ["passkeys", "keys", "both"])
async def test_the_last_way_in_is_not_removed_by_two_at_once(
    plaza: Stage, processes: list[Runtime], kinds: str
) -> None:
    person = await a_person(plaza)
    passkeys = 2 if kinds == "passkeys" else 1 if kinds == "both" else 0
    for _ in range(passkeys):
        await a_passkey(plaza, person)
    for _ in range(2 - passkeys):
        (await enroll(plaza, person, Phone())).unwrap()
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.exec_driver_sql("update identity_user set password_hash = null, email_vouched_by = 'google'")
    one, other = (each.parts for each in processes)
    removals = [
        parts[PasskeyService].remove(person.actor, id, end_other_sessions=False)
        for parts, id in zip((one, other), await rows(plaza, "select id from identity_passkey"), strict=False)
    ]
    removals += [
        parts[DeviceKeyService].disable(person.actor, DeviceKeyRemoval(key_id=id))
        for parts, id in zip((other, one), await rows(plaza, "select id from identity_device_key"), strict=False)
    ]
    assert len(removals) == 2
    told = Counter(outcome(each) for each in await asyncio.gather(*removals))
    assert told == {"OK": 1, "LAST_LOGIN_METHOD": 1}
    left = "select (select count(*) from identity_passkey) + (select count(*) from identity_device_key)"
    assert await rows(plaza, left) == [1]
