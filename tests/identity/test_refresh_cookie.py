"""The refresh token in a browser: in a cookie that no script reads, that no other route takes, and that no foreign page can use."""

from __future__ import annotations

import httpx
import pytest

from plaza.core.result import Failure
from plaza.identity import SessionService
from tests.identity.builders import HERE, PASSWORD, a_person, is_accepted, logged_in
from tests.support.callers import callers
from tests.support.stage import Stage

ADA = "ada@example.com"
LOGIN, REFRESH, LOGOUT = (f"/api/v1/auth/{name}" for name in ("login", "token/refresh", "logout"))


async def is_refused(plaza: Stage, token: str) -> bool:
    result = await plaza[SessionService].refresh(token, HERE)
    return isinstance(result, Failure) and result.error.code == "UNAUTHENTICATED"


async def login(client: httpx.AsyncClient, *, cookie: bool) -> httpx.Response:
    answer = await client.post(
        f"/api/v1/auth/login?cookie={str(cookie).lower()}", json={"identifier": ADA, "password": PASSWORD}
    )
    assert answer.status_code == 200
    return answer


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    """Its parts in lower case, the value under "value"."""
    [header] = answer.headers.get_list("set-cookie")
    first, *rest = [part.strip() for part in header.split(";")]
    name, _, value = first.partition("=")
    assert name == "plaza_refresh"
    return {"value": value.strip('"'), **{key.lower(): text for key, _, text in (part.partition("=") for part in rest)}}


async def test_the_cookie_holds_the_refresh_token_where_scripts_cannot_read_it(
    plaza: Stage, client: httpx.AsyncClient
) -> None:
    await a_person(plaza)
    answer = await login(client, cookie=True)
    assert answer.json()["refresh_token"] is None
    cookie = cookie_of(answer)
    assert cookie["path"] == "/api/v1/auth"
    assert cookie["samesite"].lower() == "strict"
    assert cookie["max-age"] == str(7 * 86_400)
    assert "httponly" in cookie
    assert "secure" not in cookie  # this stage speaks http
    assert "domain" not in cookie


async def test_a_token_that_came_by_cookie_goes_back_by_cookie_only(plaza: Stage, client: httpx.AsyncClient) -> None:
    await a_person(plaza)
    first = cookie_of(await login(client, cookie=True))["value"]
    answer = await client.post("/api/v1/auth/token/refresh")
    assert answer.status_code == 200
    assert answer.json()["refresh_token"] is None
    assert cookie_of(answer)["value"] != first
    assert answer.headers["Cache-Control"] == "no-store"


async def test_without_the_wish_for_a_cookie_there_is_none(plaza: Stage, client: httpx.AsyncClient) -> None:
    await a_person(plaza)
    answer = await login(client, cookie=False)
    assert "set-cookie" not in answer.headers
    again = await client.post("/api/v1/auth/token/refresh", json={"refresh_token": answer.json()["refresh_token"]})
    assert again.status_code == 200
    assert again.json()["refresh_token"]
    assert "set-cookie" not in again.headers
    into_cookie = await client.post(
        "/api/v1/auth/token/refresh?cookie=true", json={"refresh_token": again.json()["refresh_token"]}
    )
    assert into_cookie.json()["refresh_token"] is None
    assert cookie_of(into_cookie)["value"]


async def test_the_cookie_opens_nothing_else(plaza: Stage, client: httpx.AsyncClient) -> None:
    await a_person(plaza)
    value = cookie_of(await login(client, cookie=True))["value"]
    client.cookies.clear()
    for path in ("/api/v1/auth/user", "/api/v1/auth/sessions", "/api/v1/chat/conversations"):
        answer = await client.get(path, headers={"Cookie": f"plaza_refresh={value}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_nothing_to_refresh_with(plaza: Stage, client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/token/refresh", json={})
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert (await client.post("/api/v1/auth/logout")).status_code == 401


async def test_logout_by_each_proof(plaza: Stage, client: httpx.AsyncClient) -> None:
    await a_person(plaza)

    by_bearer = await logged_in(plaza, ADA)
    answer = await client.post(
        "/api/v1/auth/logout", headers={"Authorization": f"Bearer {by_bearer.pair.access_token}"}
    )
    assert (answer.status_code, answer.content) == (204, b"")

    by_body = await logged_in(plaza, ADA)
    answer = await client.post("/api/v1/auth/logout", json={"refresh_token": by_body.refresh_token})
    assert answer.status_code == 204

    by_cookie = (await login(client, cookie=True)).json()["access_token"]
    answer = await client.post("/api/v1/auth/logout")
    assert answer.status_code == 204
    assert cookie_of(answer)["value"] in ("", "null")

    for person in (by_bearer, by_body):
        assert not await is_accepted(plaza, person.pair.access_token)
        assert await is_refused(plaza, person.refresh_token)
    assert not await is_accepted(plaza, by_cookie)
    assert (await client.post("/api/v1/auth/logout", json={"refresh_token": by_body.refresh_token})).status_code == 204


# Foreign pages: a neighbour's script sends the cookie along, and any page can send a form

NEIGHBOUR = {"Origin": "http://evil.plaza.test", "Sec-Fetch-Site": "same-site"}
STRANGER = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
HIDDEN = {"Origin": "null"}
OWN = {"Origin": "http://plaza.test"}
LISTED = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize("page", [NEIGHBOUR, STRANGER, HIDDEN], ids=["neighbour", "stranger", "hidden"])
async def test_a_foreign_page_cannot_use_the_cookie(plaza: Stage, page: dict[str, str]) -> None:
    person = await a_person(plaza)
    async with callers(plaza) as api:
        http = api.at()
        http.headers["Cookie"] = f"plaza_refresh={person.refresh_token}"
        for path in (REFRESH, LOGOUT):
            answer = await http.post(path, headers=page)
            assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED")
            assert "set-cookie" not in answer.headers
    assert await is_accepted(plaza, person.pair.access_token)
    assert not await is_refused(plaza, person.refresh_token)


@pytest.mark.parametrize("page", [NEIGHBOUR, STRANGER, HIDDEN], ids=["neighbour", "stranger", "hidden"])
async def test_a_foreign_form_cannot_log_its_visitor_in(plaza: Stage, page: dict[str, str]) -> None:
    await a_person(plaza)
    body = b'{"identifier": "ada@example.com", "password": "a lantern over water"}'
    async with callers(plaza) as api:
        headers = {**page, "Content-Type": "text/plain"}
        answer = await api.at().post(f"{LOGIN}?cookie=true", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED")
    assert "set-cookie" not in answer.headers


async def test_no_route_that_sets_the_cookie_does_so_for_a_foreign_page(plaza: Stage) -> None:
    async with callers(plaza) as api:
        http = api.at()
        described = (await http.get("/schema/openapi.json")).json()["paths"]
        paths = [
            path
            for path, operations in described.items()
            for operation in operations.values()
            if any(each["name"] == "cookie" and each["in"] == "query" for each in operation.get("parameters", ()))
        ]
        assert {LOGIN, REFRESH, "/api/v1/auth/phone/verify-code", "/api/v1/auth/oauth/exchange"} <= set(paths)
        for path in paths:
            answer = await http.post(f"{path}?cookie=true", headers=STRANGER)
            assert (path, answer.status_code, answer.json()["code"]) == (path, 403, "PERMISSION_DENIED")


@pytest.mark.parametrize("page", [OWN, LISTED, {}], ids=["own", "listed", "no browser"])
async def test_our_own_pages_and_programs_can(plaza: Stage, page: dict[str, str]) -> None:
    await a_person(plaza)
    async with callers(plaza, PLAZA_CORS_ORIGINS="https://app.example") as api:
        http = api.at()
        login = await http.post(f"{LOGIN}?cookie=true", json={"identifier": ADA, "password": PASSWORD}, headers=page)
        assert login.status_code == 200
        assert (await http.post(REFRESH, headers=page)).status_code == 200
        assert (await http.post(LOGOUT, headers=page)).status_code == 204


async def test_where_no_cookie_plays_a_part_any_page_may_ask(plaza: Stage) -> None:
    person = await a_person(plaza)
    async with callers(plaza) as api:
        answer = await api.at().post(REFRESH, json={"refresh_token": person.refresh_token}, headers=STRANGER)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
