"""Step-up: what guards an account is changed only by who has just logged in (ASVS 7.5.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from plaza.identity.models import EndReason
from tests.identity.authenticators import (
    Authenticator,
    Phone,
    a_passkey,
    an_app,
    device_challenge,
    enroll,
    half_login,
    rows,
)
from tests.identity.builders import ELSEWHERE, PASSWORD, Person, a_person, is_accepted, links_to, logged_in
from tests.support.clock import ManualClock
from tests.support.stage import Stage

AUTH = "/api/v1/auth"
WITHIN = timedelta(minutes=10)

# Reviewed: a route that changes a credential and is not here is missing its STEP_UP, or this list misses the route.
GUARDED = (
    "DELETE /biometric/disable",
    "DELETE /linked-accounts/{account_id}",
    "DELETE /mfa/totp",
    "DELETE /passkeys/{passkey_id}",
    "DELETE /user",
    "POST /api-keys",
    "POST /biometric/disable",
    "POST /biometric/enroll",
    "POST /deactivate",
    "POST /email/change",
    "POST /email/change/confirm",
    "POST /mfa/recovery-codes",
    "POST /mfa/totp",
    "POST /mfa/totp/confirm",
    "POST /oauth/{provider}/link",
    "POST /passkeys",
    "POST /passkeys/registration-options",
    "POST /password/change",
    "POST /phone/send-code",
    "POST /phone/verify-code",
)


async def ask(http: httpx.AsyncClient, route: str) -> str:
    """The code of the refusal, "" where there is none. The body has no field: what is asked here changes nothing."""
    method, path = route.split()
    path = path.format(account_id=uuid4(), passkey_id=uuid4(), provider="google")
    answer = await http.request(method, AUTH + path, json=None if method == "DELETE" else {"no_such_field": 1})
    return str(answer.json()["code"]) if answer.is_error else ""


async def test_the_routes_that_ask_for_a_recent_login_are_these(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    asking = {
        f"{method.upper()} {path.removeprefix(AUTH)}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "STEP_UP_REQUIRED" in operation["responses"].get("403", {}).get("description", "")
    }
    assert sorted(asking) == sorted(GUARDED)


@pytest.mark.parametrize("route", GUARDED)
async def test_a_login_of_ten_minutes_ago_is_too_old(plaza: Stage, clock: ManualClock, route: str) -> None:
    person = await a_person(plaza)
    client = plaza.client(person.pair.access_token)
    clock.advance(WITHIN)
    assert await ask(client, route) == "STEP_UP_REQUIRED"
    assert (await client.get(f"{AUTH}/user")).status_code == 200
    assert await is_accepted(plaza, person.pair.access_token)

    given = {"identifier": person.email, "password": PASSWORD}
    pair = (await client.post(f"{AUTH}/login", json=given)).json()
    assert await ask(plaza.client(pair["access_token"]), route) != "STEP_UP_REQUIRED"
    assert await ask(client, route) == "UNAUTHENTICATED"


async def test_a_refreshed_token_is_as_old_as_its_login(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    clock.advance(WITHIN - timedelta(seconds=2))
    given = {"refresh_token": person.refresh_token}
    pair = (await plaza.client().post(f"{AUTH}/token/refresh", json=given)).json()
    client = plaza.client(pair["access_token"])
    assert await ask(client, "POST /password/change") == "VALIDATION_ERROR"
    clock.advance(timedelta(seconds=2))
    assert await ask(client, "POST /password/change") == "STEP_UP_REQUIRED"


Proof = Callable[[], Awaitable[tuple[str, dict[str, Any]]]]


async def by_password(plaza: Stage, person: Person) -> Proof:
    async def prove() -> tuple[str, dict[str, Any]]:
        return "login", {"identifier": person.email, "password": PASSWORD}

    return prove


async def by_passkey(plaza: Stage, person: Person) -> Proof:
    authenticator: Authenticator = await a_passkey(plaza, person)

    async def prove() -> tuple[str, dict[str, Any]]:
        asked = (await plaza.client().post(f"{AUTH}/passkeys/authentication-options")).json()
        credential = authenticator.get(asked["options"])
        return "passkeys/authenticate", {"challenge_id": asked["challenge_id"], "credential": credential}

    return prove


async def by_device_key(plaza: Stage, person: Person) -> Proof:
    phone = Phone()
    (await enroll(plaza, person, phone)).unwrap()

    async def prove() -> tuple[str, dict[str, Any]]:
        challenge = await device_challenge(plaza, email=person.email)
        given = {"email": person.email, "challenge": challenge, "signature": phone.sign(challenge)}
        return "biometric/authenticate", given

    return prove


async def by_second_factor(plaza: Stage, person: Person) -> Proof:
    app = await an_app(plaza, person)

    async def prove() -> tuple[str, dict[str, Any]]:
        return "mfa/verify", {"mfa_token": await half_login(plaza, person), "code": app.code()}

    return prove


async def by_mailed_link(plaza: Stage, person: Person) -> Proof:
    async def prove() -> tuple[str, dict[str, Any]]:
        await plaza.client().post(f"{AUTH}/magic-link", json={"email": person.email})
        (token,) = await links_to(plaza, person.email, "login")
        return "magic-link/confirm", {"token": token}

    return prove


@pytest.mark.parametrize("way", [by_password, by_passkey, by_device_key, by_second_factor, by_mailed_link])
async def test_any_way_in_opens_them_again_and_takes_the_sessions_place(
    plaza: Stage, clock: ManualClock, way: Callable[[Stage, Person], Awaitable[Proof]]
) -> None:
    person = await a_person(plaza)
    prove = await way(plaza, person)
    clock.advance(WITHIN)
    client = plaza.client(person.pair.access_token)
    assert await ask(client, "POST /mfa/totp/confirm") == "STEP_UP_REQUIRED"

    path, given = await prove()
    answer = await client.post(f"{AUTH}/{path}", json=given)
    assert answer.status_code == 200
    assert await ask(plaza.client(answer.json()["access_token"]), "POST /mfa/totp/confirm") == "VALIDATION_ERROR"
    assert not await is_accepted(plaza, person.pair.access_token)
    ended = "select revoked_reason from identity_session where id = :id"
    assert await rows(plaza, ended, id=person.actor.session_id) == [EndReason.REAUTHENTICATED]


async def test_somebody_elses_login_replaces_nothing(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com", name="Grace")
    given = {"identifier": grace.email, "password": PASSWORD}
    answer = await plaza.client(ada.pair.access_token).post(f"{AUTH}/login", json=given)
    assert answer.json()["user"]["id"] == str(grace.id)
    assert await is_accepted(plaza, ada.pair.access_token)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "password/change", {"old": PASSWORD, "new": "another good long one"}),
        ("POST", "email/change", {"email": "elsewhere@example.com"}),
        ("POST", "phone/send-code", {"phone": "+4915112345678"}),
        ("POST", "api-keys", {"name": "Mine", "scopes": ["chat:read"]}),
        ("POST", "deactivate", {"reason": "Tired"}),
        ("DELETE", "user", None),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_a_session_of_a_mere_password_changes_nothing_once_there_is_a_second_factor(
    plaza: Stage, method: str, path: str, body: dict[str, Any] | None
) -> None:
    owner = await a_person(plaza)
    intruder = await logged_in(plaza, owner.email, origin=ELSEWHERE)
    await an_app(plaza, owner)
    answer = await plaza.client(intruder.pair.access_token).request(method, f"{AUTH}/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "STEP_UP_REQUIRED")
    assert await is_accepted(plaza, owner.pair.access_token)
    answer = await plaza.client(owner.pair.access_token).request(method, f"{AUTH}/{path}", json=body)
    assert answer.is_success, answer.text
