"""Passkeys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from plaza.app.runtime import Runtime
from plaza.core.db import PageRequest
from plaza.core.result import Failure, Success
from plaza.identity import NewUser, TokenService, UserService
from plaza.identity.schemas import IdentitySettings
from plaza.identity.service import PasskeyService
from tests.identity.authenticators import (
    Authenticator,
    a_passkey,
    an_app,
    audited,
    outcome,
    passkey_input,
    passkey_login,
    rows,
    use_passkey,
)
from tests.identity.builders import ELSEWHERE, Person, a_person, is_accepted, is_told, logged_in
from tests.support.clock import ManualClock
from tests.support.stage import Stage, configuration_for

PASSKEYS = "/api/v1/auth/passkeys"


async def test_a_passkey_is_made_and_opens_the_account(plaza: Stage, client: httpx.AsyncClient) -> None:
    person, authenticator = await a_person(plaza), Authenticator()
    mine = plaza.client(person.pair.access_token)
    asked = (await mine.post(f"{PASSKEYS}/registration-options")).json()
    credential = authenticator.create(asked["options"])
    given = {"challenge_id": asked["challenge_id"], "credential": credential, "name": "Ada's phone"}
    answer = await mine.post(PASSKEYS, json=given)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["name"], made["transports"], made["backed_up"]) == ("Ada's phone", ["internal", "hybrid"], False)
    assert await audited(plaza, "identity.passkey_added") == 1
    await is_told(plaza, person.email, "A passkey was added")

    asked = (await client.post(f"{PASSKEYS}/authentication-options")).json()
    given = {"challenge_id": asked["challenge_id"], "credential": authenticator.get(asked["options"])}
    answer = await client.post(f"{PASSKEYS}/authenticate", json=given)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    actor = await plaza[TokenService].authenticate(answer.json()["access_token"])
    assert actor.user_id == person.id
    assert actor.methods == {"hwk", "user", "mfa"}

    [item] = (await mine.get(PASSKEYS)).json()["items"]
    assert item["id"] == made["id"]
    assert item["last_used_at"] is not None
    answer = await mine.patch(f"{PASSKEYS}/{item['id']}", json={"name": "Old phone"})
    assert answer.json() == {**item, "name": "Old phone"}
    assert await audited(plaza, "identity.passkey_renamed") == 1
    assert (await mine.delete(f"{PASSKEYS}/{item['id']}")).status_code == 204
    assert (await mine.get(PASSKEYS)).json() == {"items": [], "next_cursor": None}
    assert outcome(await passkey_login(plaza, authenticator)) == "INVALID_CREDENTIALS"
    assert await audited(plaza, "identity.passkey_removed") == 1


async def test_transports_are_told_once_each_and_not_without_end(plaza: Stage) -> None:
    person, authenticator = await a_person(plaza), Authenticator()
    mine = plaza.client(person.pair.access_token)

    async def made(transports: list[str]) -> httpx.Response:
        asked = (await mine.post(f"{PASSKEYS}/registration-options")).json()
        credential = authenticator.create(asked["options"])
        credential["response"]["transports"] = transports
        return await mine.post(PASSKEYS, json={"challenge_id": asked["challenge_id"], "credential": credential})

    refused = await made(["usb"] * 21)
    assert (refused.status_code, refused.json()["code"]) == (400, "VALIDATION_ERROR")
    assert (await made(["usb", "nfc", "usb", "carrier-pigeon"] * 5)).json()["transports"] == ["usb", "nfc"]


async def test_what_is_asked_of_browsers(plaza: Stage) -> None:
    person = await a_person(plaza)
    first = await a_passkey(plaza, person)
    options = (await plaza[PasskeyService].registration_options(person.actor)).unwrap().options
    assert options["rp"] == {"name": "Plaza", "id": "localhost"}
    assert (options["user"]["name"], options["user"]["displayName"]) == ("ada@example.com", "Ada")
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert options["attestation"] == "none"
    assert [each["alg"] for each in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert [each["id"] for each in options["excludeCredentials"]] == [first.id]

    one, other = [(await plaza[PasskeyService].authentication_options()).unwrap() for _ in range(2)]
    assert one.challenge_id != other.challenge_id
    assert one.options.pop("challenge") != other.options.pop("challenge")
    assert one.options == other.options
    assert one.options["userVerification"] == "required"
    assert one.options["allowCredentials"] == []  # nobody is named, nothing can be asked about anybody


async def test_where_it_may_be_used_is_the_operators_to_say(plaza: Stage) -> None:
    settings = plaza.configuration.plaza
    configuration = configuration_for(
        settings.database_url,
        settings.redis_url,
        PLAZA_IDENTITY_PASSKEY_RP_ID="example.com",
        PLAZA_IDENTITY_PASSKEY_ORIGINS="https://app.example.com,https://www.example.com",
    )
    runtime = Runtime(configuration, "elsewhere", clock=plaza.clock)
    try:
        person, service = await a_person(plaza), runtime.parts[PasskeyService]
        for origin, expected in (
            ("https://app.example.com", "OK"),
            ("https://www.example.com", "OK"),
            ("https://example.com.evil.test", "PASSKEY_REJECTED"),
            ("http://localhost:8000", "PASSKEY_REJECTED"),
        ):
            asked = (await service.registration_options(person.actor)).unwrap()
            credential = Authenticator().create(asked.options, origin=origin)
            assert outcome(await service.register(person.actor, passkey_input(asked, credential), "")) == expected
    finally:
        await runtime.close()


@pytest.mark.parametrize("origin", ["http://app.example.com", "app.example.com", "https://a.test/", "*"])
def test_origins_that_are_none_are_named_at_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="passkey_origins"):
        IdentitySettings(passkey_origins=(origin,))


async def refused_registration(plaza: Stage, person: Person, authenticator: Authenticator, **overrides: Any) -> str:
    asked = (await plaza[PasskeyService].registration_options(person.actor)).unwrap()
    credential = authenticator.create(asked.options, **overrides)
    return outcome(await plaza[PasskeyService].register(person.actor, passkey_input(asked, credential), ""))


@pytest.mark.parametrize(
    "overrides",
    [
        {"origin": "https://phish.test"},
        {"type": "webauthn.get"},
        {"challenge": "AAAA"},
        {"crossOrigin": True},
        {"challenge": 1},
    ],
)
async def test_a_key_that_was_made_for_something_else_is_refused(plaza: Stage, overrides: dict[str, Any]) -> None:
    person = await a_person(plaza)
    assert await refused_registration(plaza, person, Authenticator(), **overrides) == "PASSKEY_REJECTED"
    assert await rows(plaza, "select id from identity_passkey") == []
    assert await audited(plaza, "identity.passkey_added") == 0


async def test_a_key_whose_owner_was_not_verified_is_refused(plaza: Stage) -> None:
    person = await a_person(plaza)
    assert await refused_registration(plaza, person, Authenticator(verifies=False)) == "PASSKEY_REJECTED"
    authenticator = await a_passkey(plaza, person)
    authenticator.flags = 0
    assert outcome(await passkey_login(plaza, authenticator)) == "INVALID_CREDENTIALS"
    assert await rows(plaza, "select last_used_at from identity_passkey") == [None]


@pytest.mark.parametrize(
    ("field", "value"),
    [("attestationObject", "AAAA"), ("attestationObject", "é"), ("clientDataJSON", "W10"), ("clientDataJSON", "")],
)
async def test_what_is_no_key(plaza: Stage, field: str, value: str) -> None:
    person = await a_person(plaza)
    asked = (await plaza[PasskeyService].registration_options(person.actor)).unwrap()
    credential = Authenticator().create(asked.options)
    credential["response"][field] = value
    given = passkey_input(asked, credential)
    assert outcome(await plaza[PasskeyService].register(person.actor, given, "")) == "PASSKEY_REJECTED"


async def test_options_are_good_for_one_try_of_the_session_that_asked(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    other = await logged_in(plaza, person.email, origin=ELSEWHERE)
    register, options = plaza[PasskeyService].register, plaza[PasskeyService].registration_options

    asked = (await options(person.actor)).unwrap()
    given = passkey_input(asked, Authenticator().create(asked.options))
    assert outcome(await register(other.actor, given, "")) == "CHALLENGE_INVALID"
    assert outcome(await register(person.actor, given, "")) == "CHALLENGE_INVALID"  # it was tried

    asked = (await options(person.actor)).unwrap()
    given = passkey_input(asked, Authenticator().create(asked.options))
    clock.advance(timedelta(seconds=300))
    assert outcome(await register(person.actor, given, "")) == "CHALLENGE_INVALID"
    assert await rows(plaza, "select id from identity_passkey") == []


async def test_a_login_is_good_for_one_try_too(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    authenticator, service = await a_passkey(plaza, person), plaza[PasskeyService]
    asked = (await service.authentication_options()).unwrap()
    credential = authenticator.get(asked.options)
    assert outcome(await use_passkey(plaza, asked, credential)) == "OK"
    assert outcome(await use_passkey(plaza, asked, credential)) == "CHALLENGE_INVALID"

    asked = (await service.authentication_options()).unwrap()
    right, broken = authenticator.get(asked.options), authenticator.get(asked.options)
    broken["response"]["signature"] = "AAAA"
    assert outcome(await use_passkey(plaza, asked, broken)) == "INVALID_CREDENTIALS"
    assert outcome(await use_passkey(plaza, asked, right)) == "CHALLENGE_INVALID"

    asked = (await service.authentication_options()).unwrap()
    clock.advance(timedelta(seconds=300))
    assert outcome(await use_passkey(plaza, asked, authenticator.get(asked.options))) == "CHALLENGE_INVALID"


async def test_the_challenge_of_one_kind_is_not_good_for_another(plaza: Stage) -> None:
    person = await a_person(plaza)
    authenticator, service = await a_passkey(plaza, person), plaza[PasskeyService]
    registration = (await service.registration_options(person.actor)).unwrap()
    authentication = (await service.authentication_options()).unwrap()
    options = {**registration.options, "challenge": authentication.options["challenge"]}
    given = passkey_input(authentication, Authenticator().create(options))
    assert outcome(await service.register(person.actor, given, "")) == "CHALLENGE_INVALID"
    options = {**authentication.options, "challenge": registration.options["challenge"]}
    assert outcome(await use_passkey(plaza, registration, authenticator.get(options))) == "CHALLENGE_INVALID"


@pytest.mark.parametrize(
    "overrides",
    [
        {"origin": "https://phish.test"},
        {"type": "webauthn.create"},
        {"challenge": "AAAA"},
        {"crossOrigin": True},
    ],
)
async def test_what_was_signed_for_something_else_opens_nothing(plaza: Stage, overrides: dict[str, Any]) -> None:
    authenticator = await a_passkey(plaza, await a_person(plaza))
    assert outcome(await passkey_login(plaza, authenticator, **overrides)) == "INVALID_CREDENTIALS"
    assert outcome(await passkey_login(plaza, authenticator)) == "OK"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("userHandle", None),
        ("userHandle", "AAAA"),
        ("userHandle", "!"),
        ("authenticatorData", "AAAA"),
        ("signature", "é"),
    ],
)
async def test_what_is_no_answer(plaza: Stage, field: str, value: str | None) -> None:
    authenticator = await a_passkey(plaza, await a_person(plaza))
    asked = (await plaza[PasskeyService].authentication_options()).unwrap()
    credential = authenticator.get(asked.options)
    credential["response"][field] = value
    assert outcome(await use_passkey(plaza, asked, credential)) == "INVALID_CREDENTIALS"


async def test_a_key_that_nobody_has_answers_like_a_wrong_one(plaza: Stage, client: httpx.AsyncClient) -> None:
    known = await a_passkey(plaza, await a_person(plaza))
    unknown = Authenticator()
    unknown.device.cred_init("localhost", uuid4().bytes)
    answers = []
    for authenticator in (known, unknown):
        asked = (await client.post(f"{PASSKEYS}/authentication-options")).json()
        credential = authenticator.get(asked["options"])
        credential["response"]["signature"] = "AAAA"
        given = {"challenge_id": asked["challenge_id"], "credential": credential}
        answer = await client.post(f"{PASSKEYS}/authenticate", json=given)
        body = answer.json()
        body.pop("correlation_id")
        answers.append((answer.status_code, body))
    assert answers[0] == answers[1]
    assert answers[0][1]["code"] == "INVALID_CREDENTIALS"


async def test_tries_are_written_down(plaza: Stage) -> None:
    authenticator = await a_passkey(plaza, await a_person(plaza))
    (await passkey_login(plaza, authenticator)).unwrap()
    await passkey_login(plaza, authenticator, origin="https://phish.test")
    tried = "select method || ' ' || outcome from identity_login_attempt order by id"
    assert (await rows(plaza, tried))[1:] == ["hwk+user+mfa ok", "hwk INVALID_CREDENTIALS"]


async def test_a_key_that_was_copied_is_found_out_by_its_count(plaza: Stage) -> None:
    authenticator = await a_passkey(plaza, await a_person(plaza))
    for _ in range(3):
        assert outcome(await passkey_login(plaza, authenticator)) == "OK"
    authenticator.device.sign_count = 1
    assert outcome(await passkey_login(plaza, authenticator)) == "INVALID_CREDENTIALS"
    assert await rows(plaza, "select sign_count from identity_passkey") == [3]
    authenticator.device.sign_count = -1  # it does not count at all, all of a sudden
    assert outcome(await passkey_login(plaza, authenticator)) == "INVALID_CREDENTIALS"


async def test_whether_it_can_be_copied_is_settled_when_it_is_made(plaza: Stage) -> None:
    authenticator = await a_passkey(plaza, await a_person(plaza), is_backed_up=True)
    assert await rows(plaza, "select backed_up from identity_passkey") == [True]
    pair = (await passkey_login(plaza, authenticator)).unwrap()
    assert (await plaza[TokenService].authenticate(pair.access_token)).methods == {"swk", "user", "mfa"}
    authenticator.flags &= ~0x10  # no backup is left
    assert outcome(await passkey_login(plaza, authenticator)) == "OK"
    assert await rows(plaza, "select backed_up from identity_passkey") == [False]
    authenticator.flags &= ~0x08  # it says that it never could be
    assert outcome(await passkey_login(plaza, authenticator)) == "INVALID_CREDENTIALS"


async def test_it_asks_for_no_code(plaza: Stage) -> None:
    person = await a_person(plaza)
    authenticator = await a_passkey(plaza, person)
    await an_app(plaza, person)
    assert isinstance(await passkey_login(plaza, authenticator), Success)


async def test_a_closed_account_is_not_opened(plaza: Stage) -> None:
    authenticator = await a_passkey(plaza, await a_person(plaza))
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.exec_driver_sql("update identity_user set status = 'banned'")
    assert outcome(await passkey_login(plaza, authenticator)) == "ACCOUNT_DISABLED"
    assert await rows(plaza, "select sign_count from identity_passkey") == [0]


async def test_a_key_belongs_to_one_account(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com", name="Grace")
    asked = (await plaza[PasskeyService].registration_options(ada.actor)).unwrap()
    authenticator = Authenticator()
    credential = authenticator.create(asked.options)
    assert outcome(await plaza[PasskeyService].register(ada.actor, passkey_input(asked, credential), "")) == "OK"
    asked = (await plaza[PasskeyService].registration_options(grace.actor)).unwrap()
    client_data = Authenticator().create(asked.options)["response"]["clientDataJSON"]
    credential["response"]["clientDataJSON"] = client_data  # attestation "none" is not signed
    assert outcome(await plaza[PasskeyService].register(grace.actor, passkey_input(asked, credential), "")) == (
        "KEY_TAKEN"
    )
    assert await rows(plaza, "select user_id from identity_passkey") == [ada.id]


async def test_other_peoples_are_not_there(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com", name="Grace")
    await a_passkey(plaza, ada)
    [id] = await rows(plaza, "select id from identity_passkey")
    client = plaza.client(grace.pair.access_token)
    for answer in (
        await client.patch(f"{PASSKEYS}/{id}", json={"name": "Mine"}),
        await client.delete(f"{PASSKEYS}/{id}"),
        await client.delete(f"{PASSKEYS}/{uuid4()}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "PASSKEY_NOT_FOUND")
    assert (await client.get(PASSKEYS)).json()["items"] == []
    assert await rows(plaza, "select name from identity_passkey") == ["Unknown device"]


async def test_there_is_a_bound(plaza: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await a_person(plaza)
    monkeypatch.setattr(PasskeyService, "MOST", 2)
    for _ in range(2):
        await a_passkey(plaza, person)
    assert await refused_registration(plaza, person, Authenticator()) == "TOO_MANY_KEYS"
    page = (await plaza[PasskeyService].mine(person.actor, PageRequest(limit=1))).unwrap()
    assert page.next_cursor is not None
    rest = (await plaza[PasskeyService].mine(person.actor, PageRequest(limit=1, cursor=page.next_cursor))).unwrap()
    assert rest.next_cursor is None
    assert page.items[0].id > rest.items[0].id


async def test_the_last_way_in_stays(plaza: Stage) -> None:
    person = await a_person(plaza)
    for _ in range(2):
        await a_passkey(plaza, person)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.exec_driver_sql("update identity_user set password_hash = null, email_vouched_by = 'google'")
    one, other = await rows(plaza, "select id from identity_passkey")
    remove = plaza[PasskeyService].remove
    assert outcome(await remove(person.actor, one, end_other_sessions=False)) == "OK"
    assert outcome(await remove(person.actor, other, end_other_sessions=False)) == "LAST_LOGIN_METHOD"
    assert await rows(plaza, "select id from identity_passkey") == [other]
    assert await audited(plaza, "identity.passkey_removed") == 1


async def test_both_changes_offer_to_end_the_other_sessions(plaza: Stage) -> None:
    person = await a_person(plaza)
    other = await logged_in(plaza, person.email, origin=ELSEWHERE)
    client = plaza.client(person.pair.access_token)
    asked = (await client.post(f"{PASSKEYS}/registration-options")).json()
    given = {"challenge_id": asked["challenge_id"], "credential": Authenticator().create(asked["options"])}
    made = (await client.post(PASSKEYS, json={**given, "end_other_sessions": True})).json()
    assert not await is_accepted(plaza, other.pair.access_token)

    other = await logged_in(plaza, person.email, origin=ELSEWHERE)
    await client.delete(f"{PASSKEYS}/{made['id']}", params={"end_other_sessions": True})
    assert not await is_accepted(plaza, other.pair.access_token)
    assert await is_accepted(plaza, person.pair.access_token)


async def test_a_session_that_showed_no_second_factor_changes_none(plaza: Stage) -> None:
    person = await a_person(plaza)
    intruder = await logged_in(plaza, person.email, origin=ELSEWHERE)
    await a_passkey(plaza, person)
    await an_app(plaza, person)
    [id] = await rows(plaza, "select id from identity_passkey")
    service = plaza[PasskeyService]
    assert outcome(await service.registration_options(intruder.actor)) == "STEP_UP_REQUIRED"
    assert outcome(await service.remove(intruder.actor, id, end_other_sessions=False)) == "STEP_UP_REQUIRED"
    assert await rows(plaza, "select id from identity_passkey") == [id]


async def test_without_redis_there_are_no_passkeys(plaza: Stage) -> None:
    (await plaza[UserService].create_many([NewUser(email="x@example.com", display_name="X")])).unwrap()
    person = await a_person(plaza)
    url = plaza.configuration.plaza.database_url
    broken = Runtime(configuration_for(url, "unix:///nonexistent/valkey.sock"), "other", clock=plaza.clock)
    try:
        service = broken.parts[PasskeyService]
        for result in (await service.authentication_options(), await service.registration_options(person.actor)):
            assert isinstance(result, Failure)
            assert result.error.code == "UNAVAILABLE"
    finally:
        await broken.close()
