"""Access tokens of an outside issuer: who is let in by them, as whom, for how long, and which are refused."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from joserfc.jwk import ECKey

from plaza.core.actor import Actor
from plaza.core.errors import Unauthenticated
from plaza.core.settings import SettingsError
from plaza.domain_events.identity import SessionId
from plaza.identity import SessionService
from plaza.identity.models import EndReason
from plaza.identity.service import CallerService, OutsideSessionService, UserService
from tests.identity.builders import PASSWORD, a_person
from tests.identity.outside import HOME, World, variables
from tests.identity.provider import Provider, serving
from tests.support.callers import callers
from tests.support.stage import Stage, configuration_for

AUDIENCE = "project-live-1"
ISSUER = "stytch.com/project-live-1"
ORGANIZATION, SESSION = "https://stytch.com/organization", "https://stytch.com/session"


def stytch(provider: Provider, **changes: Any) -> dict[str, str]:
    """Its B2B session tokens, whose members' addresses an own template adds."""
    issuer = {
        "name": "stytch",
        "issuer": ISSUER,
        "jwks_url": f"{provider.issuer}/keys",
        "audience": [AUDIENCE],
        "algorithms": ["RS256", "ES256"],
        "session_claim": [SESSION, "id"],
        "email_verified_claim": None,
        "email_domains": ["example.com"],
        "organization_claim": [ORGANIZATION, "organization_id"],
        "roles_claim": [SESSION, "roles"],
        "roles": {"stytch_admin": "support"},
        **changes,
    }
    return {"PLAZA_IDENTITY_JWT_ISSUERS": json.dumps([issuer])}


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with serving(plaza.clock) as provider:
        async with callers(plaza, **variables(provider), **stytch(provider)) as api:
            yield World(plaza, provider, api)


def token(
    world: World, *, session: str = "session-live-1", roles: tuple[str, ...] = ("stytch_member",), **claims: Any
) -> str:
    header = claims.pop("header", {})
    key = claims.pop("key", None)
    now = int(world.stage.clock.now().timestamp())
    given = {
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "member-live-1",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        ORGANIZATION: {"organization_id": "organization-live-1", "slug": "engines"},
        SESSION: {"id": session, "roles": list(roles)},
        **claims,
    }
    return world.provider.sign(
        {name: value for name, value in given.items() if value is not None}, {"typ": "JWT", **header}, key
    )


async def me(world: World, bearer: str) -> httpx.Response:
    async with world.api.at(token=bearer) as http:
        return await http.get("/api/v1/auth/user")


async def actor_of(world: World, bearer: str) -> Actor:
    return await world[CallerService].authenticate(bearer)


async def refusal(world: World, bearer: str) -> str | None:
    answer = await me(world, bearer)
    return answer.json()["code"] if answer.status_code != 200 else None


async def test_a_person_is_made_at_first_sight(world: World) -> None:
    answer = await me(world, token(world))
    assert answer.status_code == 200, answer.text
    user = answer.json()
    assert (user["email"], user["status"], user["display_name"]) == ("ada@example.com", "active", "Ada Lovelace")
    (linked,) = await world.rows("select provider, provider_user_id from identity_linked_account")
    assert dict(linked) == {"provider": "jwt:stytch", "provider_user_id": "member-live-1"}
    (vouched,) = await world.rows("select email_vouched_by, password_hash from identity_user")
    assert dict(vouched) == {"email_vouched_by": "jwt:stytch", "password_hash": None}
