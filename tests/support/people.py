"""People made through the services, for tests that are not about signing up."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from plaza.core.actor import Actor
from plaza.domain_events.identity import UserId
from plaza.identity import NewUser, Origin, SessionService, TokenService, UserService
from tests.support.stage import Stage


@dataclass
class Member:
    """Somebody with a session. `http` speaks as them."""

    id: UserId
    email: str
    token: str
    actor: Actor
    http: httpx.AsyncClient


async def member(stage: Stage, name: str) -> Member:
    email = f"{name}@example.com"
    (id,) = (await stage[UserService].create_many([NewUser(email=email, display_name=name.title())])).unwrap()
    origin = Origin(ip="127.0.0.1", user_agent="tests")
    (token,) = (await stage[SessionService].open_many([id], origin)).unwrap()
    return Member(id, email, token, await stage[TokenService].authenticate(token), stage.client(token))
