"""Pages beside the chat: the development outbox, the API's documentation, the error codes."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.support.outside import PASSWORD, mailed_code
from tests.support.stage import Stage
from tests.support.waiting import eventually


async def test_the_outbox_shows_mails_the_newest_first_and_their_markup_as_text(
    plaza: Stage, open_window: OpenWindow
) -> None:
    outbox = await open_window("/dev/outbox")
    await expect(outbox.part("outbox-empty")).to_be_visible()

    http = plaza.client()
    for name in ("first", "<b>second</b>"):
        email = "first@example.com" if name == "first" else "second@example.com"
        registration = {"email": email, "password": PASSWORD, "display_name": name}
        await http.post("/api/v1/auth/registration", json=registration)
        await mailed_code(http, email)
    await outbox.part("outbox-refresh").click()
    await expect(outbox.part("outbox-to")).to_have_text(["second@example.com", "first@example.com"])
    await expect(outbox.part("outbox-body").first).to_contain_text(await mailed_code(http, "second@example.com"))
    await outbox.part("outbox-back").click()
    await expect(outbox.part("login-email")).to_be_visible()


async def test_the_documentation_shows_every_operation_without_another_host(
    plaza: Stage, open_window: OpenWindow
) -> None:
    document = (await plaza.client().get("/schema/openapi.json")).json()
    operations = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "responses" in operation
    }
    page = (await open_window("/schema")).page
    await expect(page.locator(".opblock").first).to_be_visible()
    shown: set[tuple[str, str]] = set()

    async def reads_on(until: set[tuple[str, str]]) -> None:
        """Swagger UI renders what is near the window only."""

        async def check() -> bool:
            seen = await page.locator(".opblock-summary").evaluate_all(
                "all => all.map(each => [each.querySelector('.opblock-summary-method').textContent,"
                " each.querySelector('[data-path]').dataset.path])"
            )
            shown.update(tuple(each) for each in seen)
            if until <= shown:
                return True
            await page.evaluate(
                "const at = scrollY; scrollBy(0, innerHeight / 2); if (scrollY === at) scrollTo(0, 0)",
            )
            return False

        await eventually(check)

    await reads_on(operations)
    assert shown == operations
    shown.clear()
    await reads_on({("POST", "/api/v1/auth/login")})
    login = page.locator(".opblock", has=page.locator('[data-path="/api/v1/auth/login"]'))
    await login.locator(".opblock-summary-control").click()
    await expect(login.locator(".opblock-body")).to_contain_text("INVALID_CREDENTIALS")


async def test_a_problem_leads_to_its_explanation(plaza: Stage, open_window: OpenWindow) -> None:
    problem = (await plaza.client().post("/api/v1/auth/login", json={"identifier": "a", "password": "b"})).json()
    path = problem["type"].removeprefix(plaza.base_url)
    window = await open_window(path[path.index("/docs/") :])
    row = window.page.locator(f"#{path.partition('#')[2]}")
    await expect(row).to_contain_text(problem["code"])
    await expect(row).to_be_in_viewport()
