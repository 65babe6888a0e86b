"""The real page in a real Chromium, against the whole program."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from plaza.dev.demo import make_demo
from tests.support.stage import Stage

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext

    from tests.browser.line import Line
    from tests.browser.window import Window

EXECUTABLE = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--in-process-gpu",
)
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}

OpenWindow = Callable[..., Awaitable["Window"]]


def pytest_pycollect_makemodule() -> None:
    """Without a browser the whole folder is skipped, and says so in one line."""
    if EXECUTABLE is None:
        pytest.skip("BROWSER TESTS SKIPPED: no chromium, chromium-browser or google-chrome is on the PATH")
    if find_spec("playwright") is None:
        pytest.skip("BROWSER TESTS SKIPPED: Playwright does not come for this system")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def open_window(plaza: Stage, browser: Browser) -> AsyncIterator[OpenWindow]:
    """Opens the page in a browser profile of its own; options are Playwright's for a context. At the end no window may have complained."""
    from tests.browser.window import PATIENCE_MS, Watch, Window

    contexts: list[tuple[BrowserContext, Watch]] = []

    async def open_window(path: str = "/", *, base_url: str | None = None, **options: Any) -> Window:
        base_url = base_url or plaza.base_url
        context = await browser.new_context(base_url=base_url, **{**DESKTOP, "reduced_motion": "reduce", **options})
        context.set_default_timeout(PATIENCE_MS)
        watch = Watch(context, base_url)
        contexts.append((context, watch))
        window = Window(await context.new_page(), watch)
        await window.page.goto(path)
        return window

    yield open_window
    for context, _ in contexts:
        await context.close()
    assert [each for _, watch in contexts for each in watch.complaints] == []


@pytest.fixture
async def demo(plaza: Stage) -> None:
    """The people and conversations of development."""
    await make_demo(plaza.runtime)


@pytest.fixture
async def ada(demo: None, open_window: OpenWindow) -> Window:
    window = await open_window()
    await window.step_in_as("Ada Lovelace")
    return window


@pytest.fixture
async def grace(demo: None, open_window: OpenWindow) -> Window:
    window = await open_window()
    await window.step_in_as("Grace Hopper")
    return window


@pytest.fixture
async def line(plaza: Stage) -> AsyncIterator[Line]:
    from tests.browser.line import Line

    async with Line(plaza.port) as line:
        yield line
