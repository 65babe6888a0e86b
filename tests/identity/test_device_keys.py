"""Device keys ("biometric")."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from plaza.app.runtime import Runtime
from plaza.core.result import Failure
from plaza.identity import TokenService
from plaza.identity.schemas import DeviceChallengeInput, DeviceKeyInput, DeviceKeyRemoval, DeviceLogin
from plaza.identity.service import DeviceKeyService, device_keys
from tests.identity.authenticators import (
    Phone,
    an_app,
    audited,
    device_challenge,
    device_login,
    enroll,
    outcome,
    rows,
)
from tests.identity.builders import ELSEWHERE, HERE, a_person, is_accepted, is_told, logged_in
from tests.support.clock import ManualClock
from tests.support.stage import Stage, configuration_for

BIOMETRIC = "/api/v1/auth/biometric"
ADA, NOBODY = "ada@example.com", "nobody@example.com"


async def test_a_phone_is_enrolled_and_opens_the_account(plaza: Stage, client: httpx.AsyncClient) -> None:
    person, phone = await a_person(plaza, ADA), Phone()
    mine = plaza.client(person.pair.access_token)
    assert (await mine.get(f"{BIOMETRIC}/status")).json() == {"enabled": False, "keys": []}
    asked = (await client.post(f"{BIOMETRIC}/challenge", json={"user_id": str(person.id)})).json()
    assert asked["expires_in"] == 300
    assert len(b64decode(asked["challenge"], validate=True)) == 32
    given = {
        "device_name": "Ada's phone",
        "public_key": phone.public_key,
        "challenge": asked["challenge"],
        "signature": phone.sign(asked["challenge"]),
    }
    answer = await mine.post(f"{BIOMETRIC}/enroll", json=given)
    assert (answer.status_code, answer.json()["device_name"]) == (201, "Ada's phone")
    assert await audited(plaza, "identity.device_key_added") == 1

    await is_told(plaza, ADA, "log in with its own key")
    asked = (await client.post(f"{BIOMETRIC}/challenge", json={"email": " Ada@Example.com "})).json()
    given = {"email": ADA, "challenge": asked["challenge"], "signature": phone.sign(asked["challenge"])}
    answer = await client.post(f"{BIOMETRIC}/authenticate", json=given)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    actor = await plaza[TokenService].authenticate(answer.json()["access_token"])
    assert actor.user_id == person.id
    assert actor.methods == {"pop"}

    status = (await mine.get(f"{BIOMETRIC}/status")).json()
    assert status["enabled"] is True
    assert status["keys"][0]["last_used_at"] is not None


@pytest.mark.parametrize("named", [{}, {"email": ADA, "user_id": str(uuid4())}, {"email": "no address"}])
async def test_either_an_address_or_an_id(client: httpx.AsyncClient, named: Mapping[str, str]) -> None:
    answer = await client.post(f"{BIOMETRIC}/challenge", json=named)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_an_id_serves_where_there_is_no_address(plaza: Stage) -> None:
    person, phone = await a_person(plaza), Phone()
    (await enroll(plaza, person, phone)).unwrap()
    for named in ({"user_id": person.id}, {"email": person.email}):
        challenge = await device_challenge(plaza, user_id=person.id)
        given = DeviceLogin(challenge=challenge, signature=phone.sign(challenge), **named)
        assert outcome(await plaza[DeviceKeyService].authenticate(given, HERE)) == "OK"


async def test_enrolment_proves_that_the_key_is_held(plaza: Stage) -> None:
    person, phone, thief = await a_person(plaza), Phone(), Phone()
    challenge = await device_challenge(plaza, user_id=person.id)
    given = DeviceKeyInput(
        device_name="x", public_key=phone.public_key, challenge=challenge, signature=thief.sign(challenge)
    )
    assert outcome(await plaza[DeviceKeyService].enroll(person.actor, given)) == "CHALLENGE_INVALID"
    assert outcome(await enroll(plaza, person, phone, challenge=challenge)) == "CHALLENGE_INVALID"  # it was tried
    assert await rows(plaza, "select id from identity_device_key") == []
    assert await audited(plaza, "identity.device_key_added") == 0


async def test_a_challenge_that_was_made_for_another_enrols_nothing(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com", name="Grace")
    for challenge in (
        await device_challenge(plaza, user_id=grace.id),
        await device_challenge(plaza, email=grace.email),
        await device_challenge(plaza, email=NOBODY),
    ):
        assert outcome(await enroll(plaza, ada, Phone(), challenge=challenge)) == "CHALLENGE_INVALID"
    assert outcome(await enroll(plaza, ada, Phone(), challenge=await device_challenge(plaza, email=ada.email))) == "OK"


def der_of(key: Any) -> str:
    return urlsafe_b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@pytest.mark.parametrize(
    "public_key",
    [
        Phone(ec.SECP384R1()).public_key,
        Phone(ec.SECP256K1()).public_key,
        der_of(ed25519.Ed25519PrivateKey.generate().public_key()),
        der_of(rsa.generate_private_key(65537, 2048).public_key()),
        Phone().public_key[:-8],
        "é",
        "",
    ],
    ids=["p384", "k256", "ed25519", "rsa", "truncated", "no-base64", "empty"],
)
async def test_only_p256_is_accepted(plaza: Stage, public_key: str) -> None:
    person, phone = await a_person(plaza), Phone()
    challenge = await device_challenge(plaza, user_id=person.id)
    given = DeviceKeyInput(device_name="x", public_key=public_key, challenge=challenge, signature=phone.sign(challenge))
    assert outcome(await plaza[DeviceKeyService].enroll(person.actor, given)) == "PUBLIC_KEY_INVALID"
    assert await rows(plaza, "select id from identity_device_key") == []


async def test_base64_of_either_alphabet_is_read(plaza: Stage) -> None:
    person, phone = await a_person(plaza), Phone()

    def other(text: str) -> str:
        return text.replace("+", "-").replace("/", "_").rstrip("=")

    challenge = await device_challenge(plaza, user_id=person.id)
    given = DeviceKeyInput(
        device_name="x",
        public_key=other(phone.public_key),
        challenge=other(challenge),
        signature=other(phone.sign(challenge)),
    )
    assert outcome(await plaza[DeviceKeyService].enroll(person.actor, given)) == "OK"


async def test_a_challenge_is_gone_after_the_first_try(plaza: Stage, clock: ManualClock) -> None:
    person, phone = await a_person(plaza), Phone()
    (await enroll(plaza, person, phone)).unwrap()
    challenge = await device_challenge(plaza, email=ADA)
    assert outcome(await device_login(plaza, ADA, phone, challenge=challenge)) == "OK"
    assert outcome(await device_login(plaza, ADA, phone, challenge=challenge)) == "CHALLENGE_INVALID"

    challenge = await device_challenge(plaza, email=ADA)
    assert outcome(await device_login(plaza, ADA, Phone(), challenge=challenge)) == "INVALID_CREDENTIALS"
    assert outcome(await device_login(plaza, ADA, phone, challenge=challenge)) == "CHALLENGE_INVALID"

    challenge = await device_challenge(plaza, email=ADA)
    clock.advance(timedelta(seconds=299))
    assert outcome(await device_login(plaza, ADA, phone, challenge=challenge)) == "OK"
    challenge = await device_challenge(plaza, email=ADA)
    clock.advance(timedelta(seconds=300))
    assert outcome(await device_login(plaza, ADA, phone, challenge=challenge)) == "CHALLENGE_INVALID"


@pytest.mark.parametrize("challenge", ["", "AAAA", "é", "x" * 5000])
async def test_what_is_no_challenge(plaza: Stage, challenge: str) -> None:
    given = DeviceLogin(email=ADA, challenge=challenge, signature="AAAA")
    assert outcome(await plaza[DeviceKeyService].authenticate(given, HERE)) == "CHALLENGE_INVALID"


async def test_a_challenge_for_another_address_opens_nothing(plaza: Stage) -> None:
    person, phone = await a_person(plaza), Phone()
    (await enroll(plaza, person, phone)).unwrap()
    for challenge in (await device_challenge(plaza, email=NOBODY), await device_challenge(plaza, user_id=uuid4())):
        assert outcome(await device_login(plaza, ADA, phone, challenge=challenge)) == "INVALID_CREDENTIALS"
    assert await rows(plaza, "select last_used_at from identity_device_key") == [None]


async def test_another_persons_key_opens_nothing(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com", name="Grace")
    phone, graces = Phone(), Phone()
    (await enroll(plaza, ada, phone)).unwrap()
    (await enroll(plaza, grace, graces)).unwrap()
    assert outcome(await device_login(plaza, ADA, graces)) == "INVALID_CREDENTIALS"
    assert (await device_login(plaza, ADA, phone)).unwrap().user.id == ada.id


async def test_nothing_tells_whether_an_account_exists(plaza: Stage, client: httpx.AsyncClient) -> None:
    person = await a_person(plaza, ADA)
    (await enroll(plaza, person, Phone())).unwrap()
    await a_person(plaza, "bare@example.com", name="Without a key")
    answers = []
    for named in ({"email": ADA}, {"email": "bare@example.com"}, {"email": NOBODY}, {"user_id": str(person.id)}):
        asked = await client.post(f"{BIOMETRIC}/challenge", json=named)
        challenge = asked.json().pop("challenge")
        signature = Phone().sign(challenge)
        given = {**named, "challenge": challenge, "signature": signature}
        answer = await client.post(f"{BIOMETRIC}/authenticate", json=given)
        body = answer.json()
        body.pop("correlation_id")
        answers.append((asked.status_code, asked.json()["expires_in"], answer.status_code, body))
    assert answers[0][2:] == (401, answers[0][3])
    assert answers[0][3]["code"] == "INVALID_CREDENTIALS"
    assert all(each == answers[0] for each in answers)


async def test_every_refused_login_does_the_same_work(plaza: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verifications are counted rather than timed."""
    person = await a_person(plaza, ADA)
    for _ in range(3):
        (await enroll(plaza, person, Phone())).unwrap()
    await a_person(plaza, "bare@example.com", name="Without a key")
    verified = []
    has_signed = device_keys._has_signed

    def counting(der: bytes, challenge: bytes, signature: bytes) -> bool:
        verified.append(len(der))
        return has_signed(der, challenge, signature)

    monkeypatch.setattr(device_keys, "_has_signed", counting)
    for email in (ADA, "bare@example.com", NOBODY):
        verified.clear()
        assert outcome(await device_login(plaza, email, Phone())) == "INVALID_CREDENTIALS"
        assert verified == [91] * 5  # keys of the one curve are of one length


async def test_tries_are_written_down(plaza: Stage) -> None:
    person, phone = await a_person(plaza), Phone()
    (await enroll(plaza, person, phone)).unwrap()
    for email, key in ((ADA, phone), (ADA, Phone()), (NOBODY, phone)):
        await device_login(plaza, email, key)
    tried = "select method || ' ' || outcome from identity_login_attempt order by id"
    assert (await rows(plaza, tried))[1:] == ["pop ok", "pop INVALID_CREDENTIALS", "pop INVALID_CREDENTIALS"]


async def test_nothing_of_whom_it_is_for_stands_in_redis(plaza: Stage) -> None:
    person = await a_person(plaza)
    challenge = await device_challenge(plaza, email=person.email)
    [name] = [key async for key in plaza.runtime.redis.scan_iter("plaza:challenge:*")]
    stored = await plaza.runtime.redis.get(name)
    assert stored is not None
    assert person.email.encode() not in stored
    assert b64decode(challenge).hex().encode() not in name
    assert 0 < await plaza.runtime.redis.ttl(name) <= 300


async def test_a_key_is_one_factor(plaza: Stage) -> None:
    person, phone = await a_person(plaza), Phone()
    (await enroll(plaza, person, phone)).unwrap()
    await an_app(plaza, person)
    assert outcome(await device_login(plaza, ADA, phone)) == "MFA_REQUIRED"


async def test_a_closed_account_tells_only_who_holds_its_key(plaza: Stage) -> None:
    person, phone = await a_person(plaza), Phone()
    (await enroll(plaza, person, phone)).unwrap()
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.exec_driver_sql("update identity_user set status = 'banned'")
    assert outcome(await device_login(plaza, ADA, phone)) == "ACCOUNT_DISABLED"
    assert outcome(await device_login(plaza, ADA, Phone())) == "INVALID_CREDENTIALS"
    assert await rows(plaza, "select last_used_at from identity_device_key") == [None]


async def test_a_key_belongs_to_one_account_and_there_is_a_bound(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com", name="Grace")
    phone = Phone()
    assert outcome(await enroll(plaza, ada, phone)) == "OK"
    for person in (ada, grace):
        assert outcome(await enroll(plaza, person, phone)) == "KEY_TAKEN"
    told = [outcome(await enroll(plaza, ada, Phone())) for _ in range(5)]
    assert told == ["OK"] * 4 + ["TOO_MANY_KEYS"]
    assert await rows(plaza, "select distinct user_id from identity_device_key") == [ada.id]


async def test_one_key_goes_or_all(plaza: Stage) -> None:
    person, phones = await a_person(plaza), [Phone() for _ in range(4)]
    ids = [(await enroll(plaza, person, phone)).unwrap().id for phone in phones]
    client = plaza.client(person.pair.access_token)
    assert (await client.post(f"{BIOMETRIC}/disable", json={"key_id": str(ids[0])})).status_code == 204
    assert (await client.delete(f"{BIOMETRIC}/disable", params={"key_id": str(ids[1])})).status_code == 204
    told = [outcome(await device_login(plaza, ADA, phone)) for phone in phones]
    assert told == ["INVALID_CREDENTIALS"] * 2 + ["OK"] * 2
    answer = await client.delete(f"{BIOMETRIC}/disable", params={"key_id": str(ids[0])})
    assert (answer.status_code, answer.json()["code"]) == (404, "DEVICE_KEY_NOT_FOUND")
    assert (await client.post(f"{BIOMETRIC}/disable")).status_code == 204
    assert (await client.get(f"{BIOMETRIC}/status")).json() == {"enabled": False, "keys": []}
    assert (await client.delete(f"{BIOMETRIC}/disable")).status_code == 204
    assert await audited(plaza, "identity.device_key_removed") == 4


async def test_other_peoples_keys_stay(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com", name="Grace")
    phone = Phone()
    id = (await enroll(plaza, ada, phone)).unwrap().id
    disable = plaza[DeviceKeyService].disable
    assert outcome(await disable(grace.actor, DeviceKeyRemoval(key_id=id))) == "DEVICE_KEY_NOT_FOUND"
    assert outcome(await disable(grace.actor, DeviceKeyRemoval())) == "OK"
    assert outcome(await device_login(plaza, ADA, phone)) == "OK"
    assert await audited(plaza, "identity.device_key_removed") == 0


async def test_the_last_way_in_stays(plaza: Stage) -> None:
    person, phones = await a_person(plaza), [Phone(), Phone()]
    ids = [(await enroll(plaza, person, phone)).unwrap().id for phone in phones]
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.exec_driver_sql("update identity_user set password_hash = null, email_vouched_by = 'google'")
    disable = plaza[DeviceKeyService].disable
    assert outcome(await disable(person.actor, DeviceKeyRemoval())) == "LAST_LOGIN_METHOD"
    assert outcome(await disable(person.actor, DeviceKeyRemoval(key_id=ids[0]))) == "OK"
    assert outcome(await disable(person.actor, DeviceKeyRemoval(key_id=ids[1]))) == "LAST_LOGIN_METHOD"
    assert await rows(plaza, "select id from identity_device_key") == [ids[1]]


async def test_both_changes_offer_to_end_the_other_sessions(plaza: Stage) -> None:
    person, phone = await a_person(plaza), Phone()
    other = await logged_in(plaza, person.email, origin=ELSEWHERE)
    client = plaza.client(person.pair.access_token)
    challenge = await device_challenge(plaza, user_id=person.id)
    given = {
        "device_name": "Phone",
        "public_key": phone.public_key,
        "challenge": challenge,
        "signature": phone.sign(challenge),
        "end_other_sessions": True,
    }
    assert (await client.post(f"{BIOMETRIC}/enroll", json=given)).status_code == 201
    assert not await is_accepted(plaza, other.pair.access_token)
    other = await logged_in(plaza, person.email, origin=ELSEWHERE)
    await client.delete(f"{BIOMETRIC}/disable", params={"end_other_sessions": True})
    assert not await is_accepted(plaza, other.pair.access_token)
    assert await is_accepted(plaza, person.pair.access_token)


async def test_a_session_that_showed_no_second_factor_changes_none(plaza: Stage) -> None:
    person = await a_person(plaza)
    intruder = await logged_in(plaza, person.email, origin=ELSEWHERE)
    (await enroll(plaza, person, Phone())).unwrap()
    await an_app(plaza, person)
    assert outcome(await enroll(plaza, intruder, Phone())) == "STEP_UP_REQUIRED"
    assert outcome(await plaza[DeviceKeyService].disable(intruder.actor, DeviceKeyRemoval())) == "STEP_UP_REQUIRED"
    assert await rows(plaza, "select count(*) from identity_device_key") == [1]


async def test_without_redis_there_are_none(plaza: Stage) -> None:
    url = plaza.configuration.plaza.database_url
    broken = Runtime(configuration_for(url, "unix:///nonexistent/valkey.sock"), "other", clock=plaza.clock)
    try:
        service = broken.parts[DeviceKeyService]
        for result in (
            await service.challenge(DeviceChallengeInput(email=NOBODY)),
            await service.authenticate(DeviceLogin(email=NOBODY, challenge="AAAA", signature="AAAA"), HERE),
        ):
            assert isinstance(result, Failure)
            assert result.error.code == "UNAVAILABLE"
    finally:
        await broken.close()
