"""The staff site in a browser: what people do there, on every kind of window."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from plaza.identity import SessionService
from plaza.identity.models import EndReason
from tests.admin.builders import staff
from tests.admin.test_actions import a_dead_letter
from tests.browser.conftest import DESKTOP, PHONE, OpenWindow
from tests.browser.window import Window
from tests.identity.authenticators import App
from tests.identity.builders import PASSWORD, Person, a_person
from tests.support.stage import Stage

AXE = Axe()
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
DARK: dict[str, Any] = {**DESKTOP, "color_scheme": "dark"}
WINDOWS = [DESKTOP, DARK, PHONE]


async def enter(window: Window, person: Person, code: str) -> None:
    await window.part("identifier").fill(person.email)
    await window.part("password").fill(PASSWORD)
    await window.part("submit").click()
    await window.part("code").fill(code)
    await window.part("submit").click()
    await expect(window.part("who")).to_have_text(person.email)


@pytest.fixture
async def member(plaza: Stage) -> tuple[Person, App]:
    return await staff(plaza)


async def inside(open_window: OpenWindow, member: tuple[Person, App], path: str = "/admin/", **options: Any) -> Window:
    window = await open_window(path, **options)
    await enter(window, member[0], member[1].code())
    return window


async def has_no_flaw(window: Window) -> None:
    """By axe; and nothing but tables is wider than the window."""
    found = await AXE.run(window.page, options=RULES)
    assert found.violations_count == 0, found.generate_report()
    assert await window.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("options", WINDOWS, ids=["desktop", "dark", "phone"])
async def test_every_page_is_for_everybody(
    plaza: Stage, demo: None, member: tuple[Person, App], open_window: OpenWindow, options: dict[str, Any]
) -> None:
    job = await a_dead_letter(plaza)
    window = await open_window("/admin/users/list", **options)
    await has_no_flaw(window)
    await window.part("identifier").fill(member[0].email)
    await window.part("password").fill(PASSWORD)
    await window.part("submit").click()
    await expect(window.part("code")).to_be_visible()
    await has_no_flaw(window)
    await window.part("code").fill(member[1].code())
    await window.part("submit").click()
    await expect(window.page).to_have_url(f"{plaza.base_url}/admin/users/list")
    for path in (
        "",
        "users/list?status=active",
        f"users/detail?pk={member[0].id}",
        f"users/act?name=grant&pk={member[0].id}",
        "sessions/list",
        "audit/list",
        "grants/list",
        "conversations/list",
        "reports/list",
        "dead-letters/list",
        f"jobs/act?name=retry&pk={job}",
    ):
        await window.page.goto(f"/admin/{path}")
        await expect(window.part("menu")).to_be_visible()
        await has_no_flaw(window)
    window.watch.expect("404 .*/admin/nothing")
    await window.page.goto("/admin/nothing")
    await has_no_flaw(window)


async def test_finding_somebody_and_banning_them(
    plaza: Stage, demo: None, member: tuple[Person, App], open_window: OpenWindow
) -> None:
    window = await inside(open_window, member)
    await window.part("menu").get_by_role("link", name="Users").click()
    await expect(window.part("row")).to_have_count(6)
    await window.part("search").fill("grace")
    await window.part("search").press("Enter")
    await expect(window.part("row")).to_have_count(1)
    await window.part("open").click()
    await expect(window.part("field-display_name")).to_have_text("Grace Hopper")

    await window.part("action-ban").click()
    await window.page.get_by_label("Reason").fill("Spam")
    await window.part("do").click()
    await expect(window.part("message")).to_have_text("Banned. Their sessions have ended.")
    await expect(window.part("field-status")).to_have_text("banned")
    await window.page.reload()
    await expect(window.part("message")).to_have_count(0)

    await window.page.goto("/admin/users/list")
    await window.part("by-status").select_option("banned")
    await window.part("apply").click()
    await expect(window.part("row")).to_have_count(1)
    await window.part("reset").click()
    await expect(window.part("row")).to_have_count(6)


async def test_a_dead_letter_is_retried(plaza: Stage, member: tuple[Person, App], open_window: OpenWindow) -> None:
    await a_dead_letter(plaza)
    window = await inside(open_window, member, "/admin/dead-letters/list")
    await window.part("open").click()
    await window.part("action-retry").click()
    await window.part("do").click()
    await expect(window.part("message")).to_have_text("The job is queued again.")
    await expect(window.part("row")).to_have_count(0)


async def test_without_scripts_all_of_it_works(
    plaza: Stage, demo: None, member: tuple[Person, App], open_window: OpenWindow
) -> None:
    window = await inside(open_window, member, "/admin/users/list", java_script_enabled=False)
    await window.part("search").fill("ada@")
    await window.part("apply").click()
    await window.part("open").click()
    await window.part("action-end-sessions").click()
    await window.part("do").click()
    await expect(window.part("message")).to_have_text("Their sessions have ended.")
    await window.part("leave").click()
    await expect(window.part("password")).to_be_visible()


async def test_what_somebody_called_themselves_does_not_run(
    plaza: Stage, member: tuple[Person, App], open_window: OpenWindow
) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    person = await a_person(plaza, "evil@example.com", name=evil)
    window = await inside(open_window, member, "/admin/users/list")
    said: list[str] = []
    window.page.on("dialog", lambda dialog: said.append(dialog.message))
    await expect(window.part("row").filter(has_text=evil)).to_have_count(1)
    await window.page.goto(f"/admin/users/detail?pk={person.id}")
    await expect(window.part("field-display_name")).to_have_text(evil)
    await window.page.goto("/admin/users/list?q=%22%3E%3Cscript%3Ealert(3)%3C/script%3E")
    await expect(window.part("search")).to_have_value('"><script>alert(3)</script>')
    assert said == []


async def test_what_is_refused_is_said(plaza: Stage, member: tuple[Person, App], open_window: OpenWindow) -> None:
    window = await open_window("/admin/")
    window.watch.expect("401 .*/admin/login")
    window.watch.expect("403 .*/admin/users/act")
    await window.part("identifier").fill(member[0].email)
    await window.part("password").fill("not the password")
    await window.part("submit").click()
    await expect(window.part("refused")).to_have_text("No account has this name and this password.")
    await expect(window.part("identifier")).to_have_value(member[0].email)
    await enter(window, member[0], member[1].code())
    await window.page.goto(f"/admin/users/act?name=ban&pk={member[0].id}")
    await window.page.get_by_label("Reason").fill("Myself")
    await window.part("do").click()
    await expect(window.part("refused")).to_be_visible()
    await expect(window.page.get_by_label("Reason")).to_have_value("Myself")


async def test_a_session_that_ends_elsewhere_ends_here(
    plaza: Stage, member: tuple[Person, App], open_window: OpenWindow
) -> None:
    window = await inside(open_window, member, "/admin/users/list")
    (await plaza[SessionService].end_all(member[0].id, EndReason.ENDED)).unwrap()
    await window.part("menu").get_by_role("link", name="Users").click()
    await expect(window.part("password")).to_be_visible()
    await expect(window.page).to_have_url(f"{plaza.base_url}/admin/login?next=%2Fadmin%2Fusers%2Flist")
