"""Every route of the API's description, asked by every kind of caller, answers as the reviewed table says.

The table, tests/authorization.toml, is kept by hand: a new route fails here until somebody has written down who may call it.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from plaza.app.documents import access_by_route, application
from plaza.core.ids import uuid7
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity import NewUser, RoleService, TokenService, UserService
from plaza.identity.repository import UserRepository
from plaza.identity.schemas import Grant, NewApiKey
from plaza.identity.service import ApiKeyService
from tests.identity.staff import a_role, somebody
from tests.support.routes import answered
from tests.support.stage import Stage
from tests.support.tls import TLS

TABLE: Mapping[str, str] = tomllib.loads((Path(__file__).parent / "authorization.toml").read_text())["routes"]
CALLERS = (
    "stranger",
    "customer",
    "old login",
    "impersonator",
    "waitlisted",
    "staff",
    "other staff",
    "key",
    "other key",
)
WORD = re.compile(
    r"anybody( without a token)?|signed in( recently)?|staff with [a-z_.]+|key [a-z]+:(read|write)|impersonator|waitlisted"
)
AT_ONCE = 16
# One that is kept may be closed by the server just when it is used again.
NOT_KEPT = httpx.Limits(max_keepalive_connections=0)

# What only the guard answers.
GUARDS = {
    "UNAUTHENTICATED",
    "INSUFFICIENT_SCOPE",
    "IMPERSONATION_FORBIDDEN",
    "PERMISSION_DENIED",
    "MFA_ENROLMENT_REQUIRED",
    "WAITLISTED",
    "STEP_UP_REQUIRED",
}


@dataclass(frozen=True)
class Access:
    """A line of the table."""

    words: frozenset[str]

    @classmethod
    def of(cls, line: str) -> Access:
        return cls(frozenset(line.split(", ")))

    @property
    def is_open(self) -> bool:
        return "anybody" in self.words

    @property
    def permission(self) -> str | None:
        return next((each.removeprefix("staff with ") for each in self.words if each.startswith("staff with ")), None)

    @property
    def scope(self) -> str | None:
        return next((each.removeprefix("key ") for each in self.words if each.startswith("key ")), None)

    def refusal(self, caller: str) -> str:
        """The code that this caller gets, or nothing."""
        if self.is_open:
            return ""
        match caller:
            case "stranger":
                return "" if "anybody without a token" in self.words else "UNAUTHENTICATED"
            case "key":
                return "" if self.scope else "INSUFFICIENT_SCOPE"
            case "other key":
                return "INSUFFICIENT_SCOPE"
            case "impersonator" if self.permission:
                return "PERMISSION_DENIED"
            case "impersonator":
                return "" if "impersonator" in self.words else "IMPERSONATION_FORBIDDEN"
            case "staff":
                return ""
            case _ if self.permission:
                return "PERMISSION_DENIED"
            case "waitlisted":
                return "" if "waitlisted" in self.words else "WAITLISTED"
            case "old login":
                return "STEP_UP_REQUIRED" if "signed in recently" in self.words else ""
        return ""


class Cast:
    """Tokens of every kind of caller. Whoever acts as a person is somebody else for each route: some routes end the account."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.people = stage, list[UserId]()
        self.staff: dict[str, str] = {}
        self.keys: dict[str, str] = {}

    async def gather(self, count: int, permissions: Iterable[str], scopes: Iterable[str]) -> None:
        new = [NewUser(email=f"p{n}@example.com", display_name=f"P{n}") for n in range(count)]
        self.people = (await self.stage[UserService].create_many(new)).unwrap()
        boss, everything = await somebody(self.stage, "boss", "superuser"), set(self.stage[RoleService].catalogue)
        for number, each in enumerate(sorted(permissions)):
            only = await a_role(self.stage, boss, f"only-{number}", each)
            rest = await a_role(self.stage, boss, f"all-but-{number}", *(everything - {each}))
            self.staff[each] = (await somebody(self.stage, only, only)).pair.access_token
            self.staff[f"not {each}"] = (await somebody(self.stage, rest, rest)).pair.access_token
        owner, known = await somebody(self.stage, "owner"), self.stage[ApiKeyService].scopes
        for scope in sorted(scopes):
            for name, held in ((scope, {scope}), (f"not {scope}", known - {scope})):
                key = NewApiKey(name=name, scopes=sorted(held))
                self.keys[name] = (await self.stage[ApiKeyService].create(owner.actor, key)).unwrap().key

    async def token(self, caller: str, access: Access) -> str | None:
        match caller:
            case "stranger":
                return None
            case "key":
                return self.keys[access.scope or "not nothing"]
            case "other key":
                return self.keys[f"not {access.scope or 'nothing'}"]
            case "staff":
                return self.staff[str(access.permission)]
            case "other staff":
                return self.staff[f"not {access.permission}"]
        return await self._person(caller)

    async def _person(self, caller: str) -> str:
        user_id, now = self.people.pop(), self.stage.clock.now()
        view = await UserRepository(self.stage.runtime.db).view(user_id)
        assert view is not None
        grant = Grant(
            session_id=SessionId(uuid7()),
            authenticated_at=now - timedelta(minutes=10) if caller == "old login" else now,
            expires_at=now + timedelta(hours=1),
            refresh_token=None,
            user=view,
            is_superuser=False,
            waitlisted_until=now + timedelta(hours=1) if caller == "waitlisted" else None,
            impersonator_id=UserId(uuid7()) if caller == "impersonator" else None,
        )
        return (await self.stage[TokenService].pair(grant)).unwrap().access_token


def callers_of(access: Access) -> list[str]:
    """Staff are asked where staff are meant: elsewhere they are customers."""
    return [each for each in CALLERS if access.permission or "staff" not in each]


async def ask(http: httpx.AsyncClient, route: str, operation: Mapping[str, Any], token: str | None) -> httpx.Response:
    """With a body that no route accepts: the guard comes before the shape."""
    method, path = route.split(" ")
    parameters = {each["name"]: each for each in operation.get("parameters", ()) if each["in"] == "path"}
    values = {
        name: uuid4() if each["schema"].get("format") == "uuid" else "nobody" for name, each in parameters.items()
    }
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"json": {"no such field": 1}} if "requestBody" in operation else {}
    return await answered(http, method, path.format(**values), headers=headers, **body)


def code_of(answer: httpx.Response) -> str:
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    return str(answer.json()["code"]) if is_problem else ""


async def test_the_table_has_every_route_and_no_other(plaza: Stage, client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    routes = {f"{method.upper()} {path}" for path, operations in document["paths"].items() for method in operations}
    assert routes - set(TABLE) == set(), "write down in tests/authorization.toml who may call these"
    assert set(TABLE) - routes == set(), "these routes are gone"


def test_the_options_of_routes_say_what_the_table_says() -> None:
    said = access_by_route(application())
    assert {route: line for route, line in said.items() if TABLE.get(route) != line} == {}


async def test_every_caller_on_every_route(plaza: Stage) -> None:
    async with httpx.AsyncClient(base_url=plaza.base_url, timeout=60, limits=NOT_KEPT, verify=TLS) as http:
        assert await wrong_answers(plaza, http) == []


async def wrong_answers(plaza: Stage, http: httpx.AsyncClient) -> list[str]:
    document = (await http.get("/schema/openapi.json")).json()
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    lines = {route: Access.of(TABLE[route]) for route in operations}
    cast = Cast(plaza)
    permissions = {each.permission for each in lines.values() if each.permission}
    scopes = {each.scope for each in lines.values() if each.scope}
    await cast.gather(len(lines) * 4, permissions, scopes)
    cast.keys["not nothing"] = cast.keys["not identity:read"]
    room, wrong = asyncio.Semaphore(AT_ONCE), list[str]()

    async def check(route: str, access: Access, caller: str) -> None:
        async with room:
            answer = await ask(http, route, operations[route], await cast.token(caller, access))
        found, expected = code_of(answer), access.refusal(caller)
        if access.is_open:
            is_right = found not in GUARDS - {"UNAUTHENTICATED"}  # some services have to know who it is after all
        else:
            is_right = found == expected if expected else found not in GUARDS
        if not is_right or answer.status_code == 500:
            wrong.append(f"{route} as {caller}: {answer.status_code} {found} instead of {expected or 'being let in'}")

    await asyncio.gather(
        *(check(route, access, caller) for route, access in lines.items() for caller in callers_of(access))
    )
    secured = {route for route, operation in operations.items() if operation["security"] == [{"bearer": []}]}
    assert secured == {route for route, access in lines.items() if not any("anybody" in each for each in access.words)}
    either = {route for route, operation in operations.items() if operation["security"] == [{}, {"bearer": []}]}
    assert either >= {route for route, access in lines.items() if "anybody without a token" in access.words}
    assert {f"POST /api/v1/auth/{each}" for each in ("login", "logout", "phone/verify-code")} <= either
    return wrong


def test_every_permission_that_a_route_asks_for_is_declared(stage: Stage) -> None:
    declared = stage[RoleService].catalogue
    asked = {access.permission for access in map(Access.of, TABLE.values()) if access.permission}
    assert asked <= set(declared)
    assert all(each.description for each in declared.values())


@pytest.mark.parametrize("route", sorted(TABLE))
def test_lines_are_of_known_words(route: str) -> None:
    assert all(WORD.fullmatch(word) for word in Access.of(TABLE[route]).words)
    method = route.partition(" ")[0]
    scope = Access.of(TABLE[route]).scope
    if scope is not None and method in ("GET", "DELETE", "PATCH", "PUT"):
        assert scope.endswith(":read" if method == "GET" else ":write")
