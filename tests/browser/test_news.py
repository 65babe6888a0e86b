"""What has happened to the account is told where it is open."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from plaza.core.ids import uuid7
from plaza.core.origin import coming_from
from plaza.domain_events.identity import UserId
from plaza.domain_events.notifications import NotificationId
from plaza.identity import SessionService
from plaza.identity.models import EndReason
from plaza.identity.service import Change, SecurityNotices
from plaza.notifications import InAppRecipient
from plaza.notifications.gateways import InAppGateway
from plaza.notifications.schemas import InAppMessage, NotificationView
from tests.browser.conftest import DESKTOP, PHONE, OpenWindow
from tests.browser.test_account import MAIL, breaks_no_rule, log_out
from tests.browser.window import Window
from tests.identity.builders import HERE, PASSWORD, a_person, jobs_done
from tests.support.stage import Stage

DETAIL = '<img src="x" onerror="alert(1)">'


async def nora_at(plaza: Stage, open_window: OpenWindow, path: str, **options: Any) -> tuple[Window, UserId]:
    """Logged in, after her own login is old news."""
    nora = await a_person(plaza, MAIL, name="Nora")
    window = await open_window(path, **options)
    async with window.page.expect_websocket() as opened:
        await window.log_in(MAIL, PASSWORD)
    socket = await opened.value
    await socket.wait_for_event("framereceived", lambda frame: '"ready"' in frame)
    await jobs_done(plaza)
    return window, nora.id


async def told(plaza: Stage, user_id: UserId, change: Change) -> None:
    with coming_from("203.0.113.9", HERE.user_agent):
        (await plaza[SecurityNotices].tell(user_id, change, detail=DETAIL)).unwrap()


@pytest.mark.parametrize(
    ("path", "view", "scheme"),
    [("/", DESKTOP, "light"), ("/", PHONE, "dark"), ("/account", DESKTOP, "dark"), ("/account", PHONE, "light")],
    ids=["front", "front-phone", "account", "account-phone"],
)
async def test_it_is_told_until_it_was_read(
    plaza: Stage, open_window: OpenWindow, path: str, view: dict[str, Any], scheme: str
) -> None:
    window, nora = await nora_at(plaza, open_window, path, **view, color_scheme=scheme)
    await told(plaza, nora, Change.PASSKEY_ADDED)
    line = window.part("news-line").filter(has_text=Change.PASSKEY_ADDED)
    await expect(line).to_contain_text(DETAIL)  # as text
    await expect(line).to_contain_text("Firefox on Linux")
    await expect(window.part("live")).to_have_text(Change.PASSKEY_ADDED)
    await breaks_no_rule(window)
    assert await window.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    await line.get_by_role("button", name=f"Dismiss: {Change.PASSKEY_ADDED}").click()
    await expect(line).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/account"])
async def test_it_is_gone_with_who_was_logged_in(plaza: Stage, open_window: OpenWindow, path: str) -> None:
    window, nora = await nora_at(plaza, open_window, path)
    await told(plaza, nora, Change.PASSKEY_ADDED)
    await expect(window.part("news-line").filter(has_text=Change.PASSKEY_ADDED)).to_be_visible()
    await (window.log_out() if path == "/" else log_out(window))
    await window.is_logged_out("You are logged out.")
    await expect(window.part("news-line")).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/account"])
async def test_a_repetition_is_dropped(plaza: Stage, open_window: OpenWindow, path: str) -> None:
    window, nora = await nora_at(plaza, open_window, path)
    once, later = NotificationId(uuid7()), NotificationId(uuid7())
    for id, title in ((once, "Told once"), (once, "Told once"), (later, "Told later")):
        shown = NotificationView(id=id, kind="test", title=title, text="", created_at=plaza.clock.now())
        await plaza[InAppGateway].send(InAppMessage(to=InAppRecipient(user_id=nora), notification=shown))
    told = window.part("news-line").filter(has_text="Told")
    await expect(told).to_have_text([re.compile("Told later"), re.compile("Told once")])


async def test_a_session_that_was_ended_elsewhere_is_over_on_the_account_page_at_once(
    plaza: Stage, open_window: OpenWindow
) -> None:
    window, nora = await nora_at(plaza, open_window, "/account")
    (await plaza[SessionService].end_all(nora, EndReason.ENDED)).unwrap()
    await window.is_logged_out("Your session ended. Please log in again.")


async def test_who_proves_anew_who_they_are_goes_on_being_told(plaza: Stage, open_window: OpenWindow) -> None:
    """The session before is over, and its socket with it."""
    window, _ = await nora_at(plaza, open_window, "/account")
    window.watch.expect("403 .*/password/change")
    plaza.clock.advance(timedelta(minutes=11))
    await window.part("password-change").click()
    ask, confirm = window.part("ask"), window.part("confirm")
    await ask.get_by_test_id("field-old").fill(PASSWORD)
    await ask.get_by_test_id("field-new").fill("a quite different evening")
    await ask.get_by_test_id("submit").click()
    await confirm.get_by_test_id("field-password").fill(PASSWORD)
    await confirm.get_by_test_id("submit").click()
    await expect(window.part("account-notice")).to_have_text("Your password is changed.")
    await expect(window.part("news-line").filter(has_text=Change.PASSWORD_CHANGED)).to_be_visible()


async def test_who_leaves_before_the_line_stands_hears_no_complaint(plaza: Stage, open_window: OpenWindow) -> None:
    await a_person(plaza, MAIL, name="Nora")
    window = await open_window("/account")
    leaving = "document.getElementById('logout').click()"
    await window.page.evaluate(
        f"""() => {{
          const Line = window.WebSocket;
          window.WebSocket = class extends Line {{
            constructor(...given) {{ super(...given); queueMicrotask(() => {leaving}); }}
          }};
        }}"""
    )
    await window.log_in(MAIL, PASSWORD)
    await window.is_logged_out("You are logged out.")


# A session that takes another's place: login and refresh, and which of them are under way together.
AT_ONCE = """async () => {
  Object.defineProperty(Navigator.prototype, "locks", { value: undefined }); // as over plain HTTP
  const { Api } = await import("/assets/api.js");
  const asked = [];
  window.fetch = (path) => new Promise((resolve) => asked.push({ path, resolve }));
  const pair = () => new Response('{"user": {"id": "1"}, "access_token": "a", "expires_in": 900}');
  const api = new Api();
  const work = [api.enter("login", {}), api.renew()];
  const counts = [];
  for (let n = 0; n < 2; n += 1) {
    await new Promise((resolve) => setTimeout(resolve));
    counts.push(asked.length);
    asked[n].resolve(pair());
    await work[n];
  }
  return counts;
}"""


async def test_a_socket_that_ends_with_its_session_does_not_overtake_the_login_that_ended_it(
    open_window: OpenWindow,
) -> None:
    window = await open_window("/account")
    await expect(window.part("login-email")).to_be_visible()
    assert await window.page.evaluate(AT_ONCE) == [1, 2]
