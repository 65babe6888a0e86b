"""Staff on the site, the way they get there."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from sqlalchemy import text

from plaza.identity.service import RoleService
from tests.identity.authenticators import App, an_app
from tests.identity.builders import PASSWORD, Person, a_person
from tests.support.stage import Stage

_CSRF = re.compile(r'name="csrftoken" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Visitor:
    """`http` has the cookie of their visit and says where its forms come from, as a browser does."""

    person: Person
    app: App
    http: httpx.AsyncClient

    async def see(self, path: str, **query: object) -> str:
        """A page that is there."""
        answer = await self.http.get(f"/admin{path}", params={name: str(value) for name, value in query.items()})
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text

    async def do(self, view: str, action: str, key: object, **given: str) -> httpx.Response:
        """Opens an action's page and sends its form."""
        query = {"name": action, "pk": str(key)}
        form = {**given, "csrftoken": token_of(await self.see(f"/{view}/act", **query))}
        return await self.http.post(f"/admin/{view}/act", params=query, data=form)


def browser(plaza: Stage) -> httpx.AsyncClient:
    """Nobody yet."""
    return plaza.client(Accept="text/html", Origin=plaza.base_url)


async def with_role(plaza: Stage, person: Person, role: str) -> None:
    (await plaza[RoleService].assign(person.id, role)).unwrap()


async def staff(plaza: Stage, email: str = "staff@example.com", *, role: str = "superuser") -> tuple[Person, App]:
    """With a second factor, not on the site yet."""
    person = await a_person(plaza, email, name="Staff")
    app = await an_app(plaza, person)
    await with_role(plaza, person, role)
    return person, app


async def a_visitor(plaza: Stage, email: str = "staff@example.com", *, role: str = "superuser") -> Visitor:
    person, app = await staff(plaza, email, role=role)
    http = browser(plaza)
    await enter(http, person, app.code())
    return Visitor(person, app, http)


async def enter(http: httpx.AsyncClient, person: Person, code: str, next: str = "") -> httpx.Response:
    """Both steps, which have to work."""
    first = await give_password(http, person.email, next=next)
    assert first.status_code == 200, first.text
    second = await http.post("/admin/login/code", data={"code": code, "next": next})
    assert second.status_code == 303, second.text
    return second


async def give_password(
    http: httpx.AsyncClient, email: str, password: str = PASSWORD, *, next: str = ""
) -> httpx.Response:
    return await http.post("/admin/login", data={"identifier": email, "password": password, "next": next})


def token_of(page: str) -> str:
    found = _CSRF.search(page)
    assert found is not None, page
    return html.unescape(found[1])


def told(answer: httpx.Response) -> str:
    """What a page refuses with."""
    found = re.search(r'data-testid="(?:refused|problem)">([^<]*)', answer.text)
    assert found is not None, answer.text
    return html.unescape(found[1])


def keys(page: str) -> list[str]:
    """Of the rows of a list, from top to bottom."""
    return re.findall(r'data-testid="row" data-key="([^"]*)"', page)


def fields(page: str) -> Mapping[str, str]:
    """What a row's own page says, without markup."""
    found = re.findall(r'<dd data-testid="field-([a-z_]+)">(.*?)</dd>', page, re.DOTALL)
    return {name: html.unescape(re.sub(r"<[^>]+>", "", value)).strip() for name, value in found}


async def open_sessions(plaza: Stage) -> int:
    async with plaza.runtime.db.reader.connect() as connection:
        found = await connection.execute(text("select count(*) from identity_session where revoked_at is null"))
        return int(found.scalar_one())
