"""The way in, and the way out."""

from __future__ import annotations

import pytest

from plaza.identity import SessionService
from tests.admin.builders import (
    a_visitor,
    browser,
    enter,
    give_password,
    open_sessions,
    staff,
    token_of,
    told,
    with_role,
)
from tests.identity.builders import HERE, a_person, wrong
from tests.support.callers import callers
from tests.support.stage import Stage


async def test_two_steps_lead_in(plaza: Stage) -> None:
    person, app = await staff(plaza)
    http = browser(plaza)
    answer = await http.get("/admin/users/list", params={"status": "active"})
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/admin/login?next=%2Fadmin%2Fusers%2Flist%3Fstatus%3Dactive",
    )
    page = await http.get(answer.headers["location"])
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert 'value="/admin/users/list?status=active"' in page.text

    second = await enter(http, person, app.code(), next="/admin/users/list?status=active")
    assert second.headers["location"] == "/admin/users/list?status=active"
    assert (await http.get(second.headers["location"])).status_code == 200


async def test_a_recovery_code_leads_in_once(plaza: Stage) -> None:
    person, app = await staff(plaza)
    await enter(browser(plaza), person, app.recovery_codes[0])
    http = browser(plaza)
    await give_password(http, person.email)
    again = await http.post("/admin/login/code", data={"code": app.recovery_codes[0]})
    assert again.status_code == 422
    assert "plaza_admin" not in http.cookies


async def test_the_cookie_is_for_nobody_but_the_site(plaza: Stage) -> None:
    person, app = await staff(plaza)
    answer = await enter(browser(plaza), person, app.code())
    assert answer.headers["set-cookie"].split("; ")[1:] == ["Path=/admin", "HttpOnly", "SameSite=Strict"]
    cookie = answer.cookies["plaza_admin"]
    assert len(cookie) >= 43
    stored = await plaza.runtime.redis.keys("plaza:admin:*")
    assert len(stored) == 1
    content = str(await plaza.runtime.redis.hgetall(stored[0]))  # type: ignore[misc] # typed for both kinds of client
    assert cookie not in str(stored) + content
    assert "eyJ" not in content, "access tokens are sealed"


async def test_a_public_https_address_makes_secure_cookies(plaza: Stage) -> None:
    person, _ = await staff(plaza)
    async with callers(plaza, PLAZA_PUBLIC_URL="https://plaza.example") as site, site.at() as http:
        http.headers.update({"Origin": "https://plaza.example", "Accept": "text/html"})
        answer = await give_password(http, person.email)
        assert answer.headers["set-cookie"].endswith("; Path=/admin/login; HttpOnly; SameSite=Strict; Secure")


@pytest.mark.parametrize(
    ("email", "password"), [("staff@example.com", "not the password"), ("nobody@example.com", "a lantern over water")]
)
async def test_a_wrong_password_tells_nothing(plaza: Stage, email: str, password: str) -> None:
    await staff(plaza)
    before = await open_sessions(plaza)
    answer = await give_password(browser(plaza), email, password)
    assert (answer.status_code, told(answer)) == (401, "No account has this name and this password.")
    assert "set-cookie" not in answer.headers
    assert await open_sessions(plaza) == before


async def test_a_wrong_code_can_be_corrected(plaza: Stage) -> None:
    person, app = await staff(plaza)
    http = browser(plaza)
    await give_password(http, person.email)
    answer = await http.post("/admin/login/code", data={"code": wrong(app.code())})
    assert answer.status_code == 422
    assert "plaza_admin" not in answer.cookies
    spaced = f"{app.code()[:3]} {app.code()[3:]}"
    assert (await http.post("/admin/login/code", data={"code": spaced})).status_code == 303


async def test_the_second_step_needs_the_first(plaza: Stage) -> None:
    _, app = await staff(plaza)
    answer = await browser(plaza).post("/admin/login/code", data={"code": app.code()})
    assert (answer.status_code, told(answer)) == (401, "Begin with your password.")


async def test_customers_stay_outside(plaza: Stage) -> None:
    customer = await a_person(plaza, "customer@example.com")
    before = await open_sessions(plaza)
    http = browser(plaza)
    answer = await give_password(http, customer.email)
    assert (answer.status_code, told(answer)) == (403, "This account has no access to the staff site.")
    assert "plaza_admin" not in http.cookies
    assert await open_sessions(plaza) == before, "the session that the login opened has ended again"


async def test_staff_without_a_second_factor_are_sent_to_their_account(plaza: Stage) -> None:
    person = await a_person(plaza, "new@example.com")
    await with_role(plaza, person, "superuser")
    before = await open_sessions(plaza)
    http = browser(plaza)
    answer = await give_password(http, person.email)
    assert answer.status_code == 403
    assert '<a href="/account">' in answer.text
    assert "plaza_admin" not in http.cookies
    assert await open_sessions(plaza) == before


async def test_an_installation_may_do_without_second_factors(plaza: Stage) -> None:
    person = await a_person(plaza, "new@example.com")
    await with_role(plaza, person, "superuser")
    async with callers(plaza, PLAZA_ADMIN_REQUIRE_MFA="false") as site, site.at() as http:
        http.headers.update({"Origin": "http://plaza.test", "Accept": "text/html"})
        assert (await give_password(http, person.email)).status_code == 303
        assert (await http.get("/admin/")).status_code == 200


@pytest.mark.parametrize(
    "next",
    ["https://evil.example/", "//evil.example", "/admin//evil.example", "/admin/\\evil", "/account", "/admin/\r\nX: y"],
)
async def test_the_way_in_leads_nowhere_else(plaza: Stage, next: str) -> None:
    person, app = await staff(plaza)
    answer = await enter(browser(plaza), person, app.code(), next=next)
    assert answer.headers["location"] == "/admin/"
    assert "x" not in answer.headers


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1:1"])
@pytest.mark.parametrize("path", ["/admin/login", "/admin/login/code"])
async def test_no_other_page_logs_anybody_in(plaza: Stage, origin: str | None, path: str) -> None:
    person, _ = await staff(plaza)
    http = plaza.client(**({"Origin": origin} if origin else {}))
    answer = await http.post(path, data={"identifier": person.email, "password": "a lantern over water", "code": "1"})
    assert (answer.status_code, told(answer)) == (
        403,
        "This form was not sent from the staff site: open the page again.",
    )


async def test_the_form_may_be_anything(plaza: Stage) -> None:
    http = browser(plaza)
    for body in (b"", b"identifier=%00&password=x", b"\xff\xfe", b"identifier=" + b"x" * 5000, b"a=1&" * 500):
        answer = await http.post(
            "/admin/login", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code in (400, 401), (body[:20], answer.status_code)


async def test_tries_are_limited_as_those_of_the_api(plaza: Stage) -> None:
    async with callers(plaza, PLAZA_RATE_LIMIT_ENABLED="true") as site, site.at() as http:
        http.headers.update({"Origin": "http://plaza.test", "Accept": "text/html"})
        statuses = [(await give_password(http, f"{each}@example.com", "x")).status_code for each in range(10)]
        assert statuses == [401] * 10
        refused = await give_password(http, "another@example.com", "x")
        assert (refused.status_code, refused.headers["content-type"]) == (429, "text/html; charset=utf-8")
        assert int(refused.headers["retry-after"]) > 0
        api = await http.post("/api/v1/auth/login", json={"identifier": "x@example.com", "password": "x"})
        assert api.status_code == 429, "one budget for both doors"


async def test_logging_out_ends_the_session(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    before = await open_sessions(plaza)
    token = token_of(await visitor.see("/"))
    cookie = visitor.http.cookies["plaza_admin"]
    answer = await visitor.http.post("/admin/leave", data={"csrftoken": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert await open_sessions(plaza) == before - 1
    visitor.http.cookies.set("plaza_admin", cookie)
    assert (await visitor.http.get("/admin/")).status_code == 303


async def test_the_site_is_one_of_the_sessions_in_the_account(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    pair = (await plaza[SessionService].refresh(visitor.person.refresh_token, HERE)).unwrap()
    elsewhere = plaza.client(pair.access_token)
    assert (await elsewhere.post("/api/v1/auth/logout-all")).status_code == 204
    assert (await visitor.http.get("/admin/")).status_code == 303
