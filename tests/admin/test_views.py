"""What staff see: the views of all contexts."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import Table
from sqlalchemy.sql import visitors

from plaza.admin.repository import source
from plaza.admin.service import BrowsingService
from plaza.core.db import Base
from plaza.identity import NewUser, UserService
from plaza.notifications import EmailRecipient, NotificationService
from tests.admin.builders import a_visitor, fields, keys, told, with_role
from tests.identity.builders import a_person, jobs_done
from tests.support.stage import Stage
from tests.support.statements import statements

VIEWS = {
    "users": "users.read",
    "sessions": "users.sessions",
    "roles": "roles.read",
    "grants": "roles.read",
    "audit": "audit.read",
    "deliveries": "deliveries.read",
    "conversations": "conversations.read",
    "reports": "reports.read",
    "jobs": "jobs.read",
    "dead-letters": "jobs.read",
}
CREDENTIALS = re.compile(
    r"_(refresh_token|verification_token|totp_device|recovery_code|passkey|device_key|api_key|signing_key)$"
)
CONTENT = {
    "chat_message",
    "notifications_outbox_item",
    "identity_address",
    "identity_login_attempt",
    "identity_mfa_challenge",
}
SCRIPT = "<script>alert(1)</script>"


async def people(plaza: Stage, number: int) -> list[str]:
    new = [NewUser(email=f"p{each:05}@example.com", display_name=f"Person {each}") for each in range(number)]
    batches = [new[start : start + 1000] for start in range(0, number, 1000)]
    return [str(each) for batch in batches for each in (await plaza[UserService].create_many(batch)).unwrap()]


def test_these_are_the_views(stage: Stage) -> None:
    assert {name: view.permission for name, view in stage[BrowsingService].views.items()} == VIEWS


def test_no_view_reads_credentials_or_what_people_wrote(stage: Stage) -> None:
    for view in stage[BrowsingService].views.values():
        read = {each.name for each in visitors.iterate(view.rows) if isinstance(each, Table)}
        assert read, view.name
        assert not [name for name in read if CREDENTIALS.search(name)], view.name
        assert not read & CONTENT, view.name


def test_what_must_not_be_read_is_called_like_that() -> None:
    assert Base.metadata.tables.keys() >= CONTENT
    assert len([name for name in Base.metadata.tables if CREDENTIALS.search(name)]) == 8


def test_no_view_shows_a_secret_or_a_payload(stage: Stage) -> None:
    hidden = {
        "payload",
        "event",
        "data",
        "result",
        "password_hash",
        "title",
        "bio",
        "birth_date",
        "preferences",
        "salt",
    }
    for view in stage[BrowsingService].views.values():
        assert not hidden & {column.name for column in source(view).c}, view.name


@pytest.mark.parametrize("name", VIEWS)
async def test_every_view_opens_for_who_may(plaza: Stage, name: str) -> None:
    visitor = await a_visitor(plaza)
    page = await visitor.see(f"/{name}/list")
    assert f'href="/admin/{name}/list" aria-current="page"' in page
    for key in keys(page)[:2]:
        assert fields(await visitor.see(f"/{name}/detail", pk=html.unescape(key)))


@pytest.mark.parametrize("name", VIEWS)
async def test_every_view_is_closed_to_staff_without_its_permission(plaza: Stage, name: str) -> None:
    role = "support" if name in ("roles", "grants", "audit") else "staff"
    visitor = await a_visitor(plaza, role=role)
    if name == "users":
        await visitor.see("/users/list")
        return
    for path in ("list", "detail", "act"):
        answer = await visitor.http.get(f"/admin/{name}/{path}", params={"pk": "x", "name": "retry"})
        assert answer.status_code in (403, 404), path
        assert "<table" not in answer.text
    assert f"/admin/{name}/list" not in await visitor.see("/")


async def test_people_page_by_page(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    made = await people(plaza, 10_000)
    newest = list(reversed(made))
    with statements(plaza.runtime.db) as sent:
        first = await visitor.see("/users/list", page_size=100)
    assert keys(first) == newest[:100]
    assert not [each for each in sent if "count(" in each.lower()]

    last = await visitor.see("/users/list", page_size=100, page=101)
    assert keys(last) == [str(visitor.person.id)]
    assert 'data-testid="next"' not in last
    before = await visitor.see("/users/list", page_size=100, page=100)
    assert keys(before) == newest[9_900:]
    assert 'data-testid="next"' in before
    assert "9901 to 10000" in before


async def test_nobody_pages_to_the_end_of_the_world(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    answer = await visitor.http.get("/admin/users/list", params={"page": "999999"})
    assert (answer.status_code, told(answer)) == (
        400,
        "This list is not paged that far: search or filter instead.",
    )
    assert (await visitor.http.get("/admin/users/list", params={"page": "9" * 30})).status_code == 400
    for odd in ("0", "-1", "x", ""):
        assert keys(await visitor.see("/users/list", page=odd)) == [str(visitor.person.id)]


async def test_searching(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    made = await people(plaza, 30)
    assert keys(await visitor.see("/users/list", q="P00007")) == [made[7]]
    assert keys(await visitor.see("/users/list", q=made[3])) == [made[3]]
    assert len(keys(await visitor.see("/users/list", q="person 1"))) == 11
    for nobody in ("00007", "%", "_____", "\\", "'", '"><script>', "p" * 300, "💥"):
        page = await visitor.see("/users/list", q=nobody)
        assert keys(page) == [], nobody
        assert "<script>" not in page


async def test_filters(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    made = await people(plaza, 3)
    assert len(keys(await visitor.see("/users/list", status="active"))) == 4
    assert keys(await visitor.see("/users/list", status="banned")) == []
    assert keys(await visitor.see("/users/list", is_staff="true")) == [str(visitor.person.id)]
    assert keys(await visitor.see("/users/list", is_staff="false", q="p00001")) == [made[1]]
    assert keys(await visitor.see("/users/list", is_staff="perhaps")) == []
    assert len(keys(await visitor.see("/users/list", password_hash="x", nothing="y"))) == 4, "no filter, no effect"
    mine = await visitor.see("/sessions/list", user_id=visitor.person.id)
    assert len(keys(mine)) >= 2
    assert keys(await visitor.see("/sessions/list", user_id=made[0])) == []
    assert keys(await visitor.see("/sessions/list", user_id="x' or 1=1 --")) == []


async def test_rows_lead_to_what_belongs_to_them(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    page = await visitor.see("/users/detail", pk=visitor.person.id)
    assert f'href="/admin/sessions/list?user_id={visitor.person.id}"' in page
    assert f'href="/admin/grants/list?user_id={visitor.person.id}"' in page
    (session, *_) = keys(await visitor.see("/sessions/list", user_id=visitor.person.id))
    assert f'href="/admin/users/detail?pk={visitor.person.id}"' in await visitor.see("/sessions/detail", pk=session)


@pytest.mark.parametrize("pk", ["", "x", "00000000-0000-0000-0000-000000000000", "1' or '1'='1", SCRIPT])
async def test_a_row_that_is_not_there(plaza: Stage, pk: str) -> None:
    visitor = await a_visitor(plaza)
    answer = await visitor.http.get("/admin/users/detail", params={"pk": pk})
    assert answer.status_code == 404
    assert "<script>" not in answer.text


async def test_a_name_is_text_whatever_it_says(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    evil = [SCRIPT, '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "' onmouseover='alert(1)"]
    persons = [await a_person(plaza, f"e{n}@example.com", name=name) for n, name in enumerate(evil)]
    page = await visitor.see("/users/list")
    for name, person in zip(evil, persons, strict=True):
        row = await visitor.see("/users/detail", pk=person.id)
        assert fields(row)["display_name"] == name
        assert html.escape(name, quote=False) in html.unescape(
            page.replace("&lt;", "&amp;lt;").replace("&gt;", "&amp;gt;")
        )
    assert "<script>alert" not in page
    assert "<img src=x" not in page


async def test_a_device_may_lie_about_its_name(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    await visitor.http.get("/admin/login", headers={"User-Agent": SCRIPT})
    answer = await plaza.client(**{"User-Agent": SCRIPT}).post(
        "/api/v1/auth/login", json={"identifier": visitor.person.email, "password": "x"}
    )
    assert answer.status_code == 401
    for name in VIEWS:
        assert "<script>alert" not in await visitor.see(f"/{name}/list")


async def test_deliveries_tell_how_it_went_and_not_what_was_said(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    given = {"code": "424242", "name": "Ada", "url": "https://plaza.example/secret-link", "minutes": "10"}
    kind = "identity.email_code"
    (await plaza[NotificationService].notify(kind, EmailRecipient(address="ada@example.com"), given)).unwrap()
    await jobs_done(plaza)
    (key, *_) = keys(await visitor.see("/deliveries/list", q="ada@"))
    page = await visitor.see("/deliveries/detail", pk=key)
    assert (fields(page)["kind"], fields(page)["state"], fields(page)["recipient"]) == (kind, "sent", "ada@example.com")
    for secret in ("424242", "secret-link"):
        assert secret not in page
    everything = await visitor.see("/jobs/list", page_size=100)
    for job in keys(everything):
        assert "424242" not in await visitor.see("/jobs/detail", pk=job)


async def test_times_are_utc_and_spelled_in_full(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    shown = fields(await visitor.see("/users/detail", pk=visitor.person.id))["created_at"]
    assert shown == plaza.clock.now().strftime("%Y-%m-%d %H:%M:%S")


async def test_the_library_s_own_ways_to_write_are_gone(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    pk = str(visitor.person.id)
    token = re.search(r'name="csrftoken" value="([^"]+)"', await visitor.see("/"))
    assert token is not None
    for path in ("create", "edit"):
        for method in ("GET", "POST"):
            form = {"csrftoken": token[1], "email": "evil@example.com"} if method == "POST" else None
            answer = await visitor.http.request(method, f"/admin/users/{path}", params={"pk": pk}, data=form)
            assert answer.status_code == 404
    for path in ("action", "row-action", "import", "inline-edit", "export", "relation-lookup"):
        answer = await visitor.http.post(
            f"/admin/_api/users/{path}", params={"name": "delete", "pk": pk, "pks": pk}, data={"csrftoken": token[1]}
        )
        assert answer.status_code == 404, path
    assert keys(await visitor.see("/users/list")) == [pk]


async def test_a_visit_costs_a_handful_of_statements(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    await visitor.see("/users/list")
    with statements(plaza.runtime.db) as sent:
        await visitor.see("/users/list")
    assert len(sent) == 1, sent


async def test_what_staff_may_see_follows_their_roles(plaza: Stage) -> None:
    visitor = await a_visitor(plaza, role="staff")
    menu = re.findall(r'<li><a href="/admin/([a-z-]+)/list"', await visitor.see("/"))
    assert menu == ["users"]
    await with_role(plaza, visitor.person, "manager")
    plaza.clock.advance(timedelta(seconds=1))
    menu = re.findall(r'<li><a href="/admin/([a-z-]+)/list"', await visitor.see("/"))
    assert {"users", "sessions", "roles", "grants", "jobs", "dead-letters"} <= set(menu)


async def test_looking_writes_nothing(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    with statements(plaza.runtime.db) as sent:
        for name in VIEWS:
            for key in keys(await visitor.see(f"/{name}/list")):
                await visitor.see(f"/{name}/detail", pk=html.unescape(key))
    assert len(sent) > len(VIEWS)
    assert {each.split()[0].lower() for each in sent} == {"select"}
