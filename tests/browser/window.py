"""A person's window on the page, and a watch over everything that no window may do meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, Request, WebError, expect

from tests.support.waiting import PATIENCE_S

PATIENCE_MS = PATIENCE_S * 1000
expect.set_options(timeout=PATIENCE_MS)

# Who was never logged in here is told so by the first question of the page, and the browser prints every refusal.
FIRST_VISIT = r"401 .*/api/v1/auth/token/refresh"


class Watch:
    """Everything that the windows of a context write to the console, and every request to somebody else than `base_url`."""

    def __init__(self, context: BrowserContext, base_url: str) -> None:
        self._host = urlsplit(base_url).netloc
        self._expected = [FIRST_VISIT]
        self._said: list[str] = []
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)

    def expect(self, pattern: str) -> None:
        """This test makes the browser say something like this, a text followed by an address."""
        self._expected.append(pattern)

    @property
    def complaints(self) -> list[str]:
        return [said for said in self._said if not any(re.search(each, said) for each in self._expected)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self._said.append(f"{message.type}: {message.text} {message.location['url']}")

    def _error(self, error: WebError) -> None:
        self._said.append(f"uncaught: {error.error}")

    def _request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and url.netloc != self._host:
            self._said.append(f"request to another host: {request.url}")


@dataclass
class Window:
    page: Page
    watch: Watch

    def part(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    async def step_in_as(self, name: str) -> None:
        """Logs in as a demo person from the first screen."""
        await self.part("demo-person").filter(has_text=name).click()
        await self.is_online()

    async def log_in(self, email: str, password: str) -> None:
        await self.part("login-email").fill(email)
        await self.part("login-password").fill(password)
        await self.part("login-submit").click()

    async def log_out(self) -> None:
        await self.part("menu-button").click()
        await self.part("logout").click()

    async def is_online(self) -> None:
        await expect(self.part("connection")).to_have_attribute("data-state", "online")

    async def is_reconnecting(self) -> None:
        await expect(self.part("connection")).to_have_attribute("data-state", "reconnecting")

    async def is_logged_out(self, notice: str = "") -> None:
        await expect(self.part("login-email")).to_be_visible()
        await expect(self.part("auth-notice")).to_have_text(notice)

    def conversation(self, title: str) -> Locator:
        """In the list."""
        return self.part("conversation").filter(has=self.part("conversation-name").get_by_text(title, exact=True))

    def unread(self, title: str) -> Locator:
        return self.conversation(title).get_by_test_id("conversation-unread")

    async def open(self, title: str) -> None:
        await self.conversation(title).click()
        await expect(self.part("thread-title")).to_have_text(title)
        await expect(self.part("history-state")).not_to_have_text("Loading…")

    async def say(self, text: str) -> None:
        await self.part("composer").fill(text)
        await self.part("send").click()

    def message(self, text: str) -> Locator:
        return self.part("message").filter(has=self.part("message-text").get_by_text(text, exact=True))

    async def act(self, text: str, action: str, *, within: str = "messages") -> None:
        """By a button of the message, else by its menu. The mouse goes away again."""
        message = self.part(within).locator(self.message(text))
        await message.hover()
        if action in ("react", "action-thread"):
            await message.get_by_test_id(action).click()
        else:
            await message.get_by_test_id("more").click()
            await self.part(action).click()
        await self.page.mouse.move(0, 0)

    async def is_sent(self, text: str) -> None:
        await expect(self.message(text)).to_have_attribute("data-state", "sent")

    async def texts(self) -> list[str]:
        """What the open conversation shows, from top to bottom."""
        return await self.part("message-text").all_text_contents()

    async def has_no_gap(self) -> None:
        """Every seq once, in order, nothing on its way: only of conversations without system messages, which show none."""
        await expect(self.page.locator('[data-testid="message"]:not([data-seq])')).to_have_count(0)
        seqs = [int(await each.get_attribute("data-seq") or 0) for each in await self.part("message").all()]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), seqs

    async def focused(self) -> str:
        """Id, else test id, of the element that has the focus."""
        found: str = await self.page.evaluate(
            "() => document.activeElement.id || document.activeElement.dataset.testid || ''"
        )
        return found
