"""Access tokens of outside issuers that must not be believed, and issuers that must not be set up."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from plaza.core.settings import SettingsError
from tests.identity.builders import a_person
from tests.identity.issuer import (
    ISSUER,
    SESSION,
    refusal,
    stytch,
    stytch_at,
    token,
)
from tests.identity.outside import HOME, World, variables
from tests.identity.provider import encoded, reply, serving
from tests.support.callers import callers
from tests.support.stage import Stage, configuration_for


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with serving(plaza.clock) as provider, callers(plaza, **variables(provider), **stytch(provider)) as api:
        yield World(plaza, provider, api)


async def test_tokens_that_are_not_exactly_right_are_refused(world: World) -> None:
    now = int(world.stage.clock.now().timestamp())
    stranger = ECKey.generate_key("P-256", private=True, parameters={"kid": str(world.provider.key.kid)})
    own = (await a_person(world.stage, "own@example.com")).pair.access_token
    good = token(world)
    head, body, signature = good.split(".")
    header = {"alg": "ES256", "kid": world.provider.key.kid, "typ": "JWT"}
    public = json.dumps(world.provider.key.as_dict(private=False)).encode()
    symmetric = f"{encoded({**header, 'alg': 'HS256'})}.{body}"
    bad = {
        "expired": token(world, exp=now),
        "without end": token(world, exp=None),
        "endless": token(world, exp=now + 86_400),
        "not yet valid": token(world, nbf=now + 60),
        "issued later": token(world, iat=now + 60),
        "another audience": token(world, aud="project-live-2"),
        "no audience": token(world, aud=[]),
        "another issuer": token(world, iss="stytch.com/project-live-2"),
        "no subject": token(world, sub=None),
        "no session": token(world, **{SESSION: None}),
        "a session that is no name": token(world, **{SESSION: {"id": 7}}),
        "another type": token(world, header={"typ": "id+jwt"}),
        "a logout token": token(world, header={"typ": "logout+jwt"}),
        "no type": token(world, header={"typ": None}),
        "a foreign key": token(world, key=stranger),
        "a foreign key in the header": token(
            world, key=stranger, header={"jwk": stranger.as_dict(private=False), "jku": f"{world.provider.issuer}/keys"}
        ),
        "an unknown key": token(world, header={"kid": "unknown"}),
        "critical": f"{encoded({**header, 'crit': ['exp']})}.{body}.{signature}",
        "none": f"{encoded({**header, 'alg': 'none'})}.{body}.",
        "none with a signature": f"{encoded({**header, 'alg': 'none'})}.{body}.{signature}",
        "hmac": f"{symmetric}.{base64.urlsafe_b64encode(hmac.digest(public, symmetric.encode(), 'sha256')).decode().rstrip('=')}",
        "another algorithm": f"{encoded({**header, 'alg': 'ES384'})}.{body}.{signature}",
        "altered": f"{head}.{encoded({'iss': ISSUER, 'sub': 'root'})}.{signature}",
        "huge": token(world, padding="x" * 20_000),
        "deep": f"{head}.{base64.urlsafe_b64encode(b'[' * 9000).decode().rstrip('=')}.{signature}",
        "of another installation": own,
    }
    for what, bearer in bad.items():
        assert await refusal(world, bearer) == "UNAUTHENTICATED", what
    assert not await world.rows("select 1 from identity_linked_account")
    assert await refusal(world, good) is None


async def test_our_own_tokens_are_accepted_as_before_and_theirs_refresh_nothing(world: World) -> None:
    browser = world.browser()
    await browser.sign_in_with_password("grace@example.com")
    assert (await browser.http.get("/api/v1/auth/user", headers=browser.headers)).status_code == 200
    refused = await browser.http.post("/api/v1/auth/token/refresh", json={"refresh_token": token(world)})
    assert refused.status_code == 401


async def test_without_an_issuer_their_tokens_are_nobodys(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/auth/user", headers={"Authorization": f"Bearer {token(world)}"})
    assert answer.status_code == 401
    assert world.provider.requests["/keys"] == 0


async def test_keys_that_cannot_be_had_make_nobody_a_stranger(world: World) -> None:
    world.provider.instead["/keys"] = lambda: reply({}, 500)
    assert await refusal(world, token(world)) == "UNAVAILABLE"
    world.provider.instead.clear()
    assert await refusal(world, token(world)) is None


# Settings


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"roles": {"admin": "superuser"}}, "superuser"),
        ({"algorithms": ["HS256"]}, "cannot be trusted"),
        ({"algorithms": ["none"]}, "cannot be trusted"),
        ({"jwks_url": "http://keys.example"}, "https://"),
        ({"audience": []}, "audience"),
        ({"max_token_s": 1_000_000}, "max_token_s"),
        ({"provider": "google"}, "provider"),
        ({"issuer": ""}, "issuer"),
        ({"isuer": "x"}, "isuer"),
    ],
)
def test_wrong_settings_are_named_at_start(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        configuration_for(
            "postgresql+asyncpg://x/y", "redis://localhost", **stytch_at("https://keys.example", **changes)
        )
    assert "PLAZA_IDENTITY_JWT_ISSUERS" in str(refused.value)
    assert told in str(refused.value)


async def test_an_issuer_cannot_be_called_what_we_are(plaza: Stage) -> None:
    given = {"PLAZA_PUBLIC_URL": HOME, **stytch_at("https://keys.example", issuer=HOME)}
    with pytest.raises(SettingsError, match="this installation itself"):
        async with callers(plaza, **given):
            pass
