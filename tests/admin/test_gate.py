"""What lies below /admin is for those who are on a visit."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from plaza.app.server import litestar
from plaza.identity.service import RoleService
from tests.admin.builders import a_visitor, give_password, open_sessions, token_of, told
from tests.identity.builders import a_person
from tests.support.callers import callers
from tests.support.stage import Stage

PAGES = ["/admin", "/admin/", "/admin/users/list", "/admin/users/list/", "/admin/users/detail?pk=1", "/admin/leave"]
PAGES += ["/admin/nothing", "/admin/jobs/act?name=retry&pk=1", "/admin//users/list", "/admin/_api/users/row-action"]
PAGES += ["/admin/static", "/admin/login/nothing", "/admin/static/../users/list", "/admin/static/..%2fusers/list"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_stranger_sees_nothing(plaza: Stage, path: str, method: str) -> None:
    http = plaza.client(Origin=plaza.base_url)
    answer = await http.request(method, path)
    assert answer.status_code in (401, 404, 405), answer.status_code
    assert b"<table" not in answer.content
    if method != "HEAD" and not path.startswith("/admin/static"):
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["correlation_id"] == answer.headers["x-request-id"]


def test_nothing_but_the_way_in_is_routed_past_the_gate(stage: Stage) -> None:
    routes = litestar(stage.runtime).routes
    found = {route.path: set(getattr(route, "methods", ())) for route in routes if route.path.startswith("/admin")}
    assert found == {
        "/admin": set(),
        "/admin/login": {"GET", "POST", "OPTIONS"},
        "/admin/login/code": {"POST", "OPTIONS"},
    }


@pytest.mark.parametrize("cookie", ["", "x", "x" * 5000, "a=b=c"])
async def test_a_made_up_cookie_is_nobody(plaza: Stage, cookie: str) -> None:
    answer = await plaza.client(Cookie=f"other=1; plaza_admin={cookie}").get("/admin/users/list")
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_tokens_of_the_api_open_nothing_here(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    token = visitor.person.pair.access_token
    answer = await plaza.client(token, Cookie=f"plaza_refresh={visitor.person.refresh_token}").get("/admin/users/list")
    assert answer.status_code == 401
    answer = await plaza.client(token, Cookie=f"plaza_admin={token}").get("/admin/users/list")
    assert answer.status_code == 401


async def test_the_visit_opens_nothing_of_the_api(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    cookie = visitor.http.cookies["plaza_admin"]
    for token in (None, cookie):
        answer = await plaza.client(token, Cookie=f"plaza_admin={cookie}").get("/api/v1/auth/user")
        assert answer.status_code == 401


async def test_files_are_for_everybody_and_only_those_that_are_shipped(plaza: Stage, client: httpx.AsyncClient) -> None:
    for path in ("plaza-admin.css", "plaza-admin.js", "css/vendor/tabler.min.css", "webfonts/fa-solid-900.woff2"):
        assert (await client.get(f"/admin/static/{path}")).status_code == 200
    for path in ("nothing.css", "..%2f..%2f__init__.py", "../templates/base.html", "%2e%2e/errors.py"):
        assert (await client.get(f"/admin/static/{path}")).status_code in (401, 404)


async def test_no_socket_is_opened(plaza: Stage) -> None:
    with pytest.raises(InvalidStatus):
        await connect(f"{plaza.socket_url}/admin/users/list")


async def test_pages_carry_a_policy_without_any_exception(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    for path in ("/admin/", "/admin/users/list", "/admin/login", "/admin/nothing"):
        answer = await visitor.http.get(path)
        policy = answer.headers["content-security-policy"]
        assert answer.headers.get_list("content-security-policy") == [policy]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "<style" not in answer.text
        assert " style=" not in answer.text
        assert answer.text.count("<script") == answer.text.count('<script src="/admin/static/plaza-admin.js">')
        assert "http://" not in answer.text.replace(plaza.base_url, "")
        assert "https://" not in answer.text
        assert (answer.headers["cache-control"], answer.headers["x-frame-options"]) == ("no-store", "DENY")


async def test_half_an_hour_without_a_request_ends_the_visit(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    for _ in range(4):
        plaza.clock.advance(timedelta(minutes=25))
        assert (await visitor.http.get("/admin/")).status_code == 200
    plaza.clock.advance(timedelta(minutes=30))
    assert (await visitor.http.get("/admin/")).status_code == 303


async def test_what_a_role_loses_is_closed_at_once(plaza: Stage) -> None:
    visitor = await a_visitor(plaza, role="manager")
    await visitor.see("/users/list")
    (await plaza[RoleService].assign(visitor.person.id, "staff")).unwrap()
    (await plaza[RoleService].withdraw(visitor.person.id, "manager")).unwrap()
    await visitor.see("/users/list")
    assert (await visitor.http.get("/admin/jobs/list")).status_code == 403
    (await plaza[RoleService].withdraw(visitor.person.id, "staff")).unwrap()
    assert (await visitor.http.get("/admin/")).status_code == 303


async def test_a_request_that_renews_the_tokens_harms_none_beside_it(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    for _ in range(3):
        plaza.clock.advance(timedelta(minutes=16))
        answers = await asyncio.gather(*(visitor.http.get("/admin/") for _ in range(8)))
        assert [each.status_code for each in answers] == [200] * 8


@pytest.mark.parametrize(
    "form",
    [{}, {"csrftoken": ""}, {"csrftoken": "0" * 64}, {"csrftoken": "é"}],
)
async def test_a_form_needs_the_token_of_its_visit(plaza: Stage, form: dict[str, str]) -> None:
    visitor = await a_visitor(plaza)
    answer = await visitor.http.post("/admin/leave", data=form)
    assert (answer.status_code, told(answer)) == (
        403,
        "This form was not sent from the staff site: open the page again.",
    )
    await visitor.see("/")


async def test_the_token_of_another_visit_is_none(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    another = await a_visitor(plaza, "other@example.com")
    token = token_of(await another.see("/"))
    assert (await visitor.http.post("/admin/leave", data={"csrftoken": token})).status_code == 403
    await visitor.see("/")


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1"])
async def test_a_form_of_another_page_is_refused_with_the_right_token(plaza: Stage, origin: str | None) -> None:
    visitor = await a_visitor(plaza)
    token = token_of(await visitor.see("/"))
    visitor.http.headers.pop("Origin")
    headers = {"Origin": origin} if origin else {}
    assert (await visitor.http.post("/admin/leave", data={"csrftoken": token}, headers=headers)).status_code == 403
    await visitor.see("/")


async def test_what_is_no_form(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    token = token_of(await visitor.see("/"))
    for body, status in ((b"x" * 70_000, 413), (b"\xff", 400), (b"csrftoken=%00", 400), (b"&" * 60, 400)):
        answer = await visitor.http.post("/admin/leave", content=body)
        assert answer.status_code == status, body[:10]
    answer = await visitor.http.post("/admin/leave", json={"csrftoken": token})
    assert answer.status_code in (400, 403)
    await visitor.see("/")


async def test_requests_are_limited_by_person(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    variables = {"PLAZA_RATE_LIMIT_ENABLED": "true", "PLAZA_RATE_LIMIT_SIGNED_IN": "3/minute"}
    async with callers(plaza, **variables, PLAZA_RATE_LIMIT_ANONYMOUS="3/minute") as site:
        async with site.at("203.0.113.7") as http:
            http.headers.update({"Accept": "text/html", "Cookie": f"plaza_admin={visitor.http.cookies['plaza_admin']}"})
            statuses = [(await http.get("/admin/")).status_code for _ in range(4)]
            assert statuses == [200, 200, 200, 429]
            assert (await http.get("/admin/static/plaza-admin.css")).status_code == 200
        async with site.at("203.0.113.8") as http:
            assert [(await http.get("/admin/")).status_code for _ in range(4)] == [401, 401, 401, 429]


async def test_without_redis_nobody_is_taken_for_a_stranger(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    async with callers(plaza, REDIS_URL="redis://127.0.0.1:1") as site, site.at() as http:
        http.headers.update({"Accept": "text/html", "Origin": "http://plaza.test"})
        assert (await give_password(http, visitor.person.email)).status_code == 200, "limits of tries are off here"
        before = await open_sessions(plaza)
        plaza.clock.advance(timedelta(seconds=30))
        entering = await http.post("/admin/login/code", data={"code": visitor.app.code()})
        assert (entering.status_code, "plaza_admin" in http.cookies) == (503, False)
        assert await open_sessions(plaza) == before, "nothing is left of it"

        http.headers["Cookie"] = f"plaza_admin={visitor.http.cookies['plaza_admin']}"
        answer = await http.get("/admin/users/list")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "Plaza is overloaded or has lost a server" in told(answer)
    await visitor.see("/")


async def test_logs_and_metrics_know_who_and_where(plaza: Stage, client: httpx.AsyncClient) -> None:
    visitor = await a_visitor(plaza)
    await visitor.see("/users/list")
    metrics = (await client.get("/metrics")).text
    assert 'plaza_http_requests_total{method="GET",route="/admin",status="200"}' in metrics
    assert "/admin/users/list" not in metrics


async def test_a_customer_who_was_staff_when_they_came_is_led_out(plaza: Stage) -> None:
    visitor = await a_visitor(plaza, role="support")
    (await plaza[RoleService].withdraw(visitor.person.id, "support")).unwrap()
    customer = await a_person(plaza, "customer@example.com")
    assert (await visitor.http.get("/admin/users/detail", params={"pk": str(customer.id)})).status_code == 303
