"""An outside issuer in the manner of Stytch, and people who come with its access tokens."""

from __future__ import annotations

import json
from typing import Any

import httpx

from plaza.core.actor import Actor
from plaza.domain_events.identity import SessionId
from plaza.identity import SessionService
from plaza.identity.service import CallerService
from tests.identity.outside import World
from tests.identity.provider import Provider

AUDIENCE = "project-live-1"
ISSUER = "stytch.com/project-live-1"
ORGANIZATION, SESSION = "https://stytch.com/organization", "https://stytch.com/session"


def stytch(of: Provider, **changes: Any) -> dict[str, str]:
    return stytch_at(of.issuer, **changes)


def stytch_at(url: str, **changes: Any) -> dict[str, str]:
    """Its B2B session tokens, whose members' addresses an own template adds."""
    issuer = {
        "name": "stytch",
        "issuer": ISSUER,
        "jwks_url": f"{url}/keys",
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


def token(world: World, **claims: Any) -> str:
    """`session`, `roles`, `header` and `key` are no claims of that name."""
    session, roles = claims.pop("session", "session-live-1"), claims.pop("roles", ("stytch_member",))
    header, key = claims.pop("header", {}), claims.pop("key", None)
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


async def end(world: World, actor: Actor) -> None:
    assert actor.session_id is not None
    (await world[SessionService].end(actor, SessionId(actor.session_id))).unwrap()


async def refusal(world: World, bearer: str) -> str | None:
    answer = await me(world, bearer)
    return answer.json()["code"] if answer.status_code != 200 else None
