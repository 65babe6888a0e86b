from __future__ import annotations

import httpx

from plaza.notifications import EmailRecipient, NotificationService
from tests.support.stage import Stage
from tests.support.waiting import eventually

BOB = EmailRecipient(address="bob@example.com", name="Bob <script>")
CODE = {"code": "123456", "minutes": "10", "url": "http://localhost/#verify=x"}


async def test_the_outbox_as_json_and_as_a_page(plaza: Stage, client: httpx.AsyncClient) -> None:
    (await plaza[NotificationService].notify("identity.email_code", BOB, CODE)).unwrap()

    async def arrived() -> bool:
        return bool((await client.get("/dev/outbox", headers={"Accept": "application/json"})).json()["items"])

    await eventually(arrived)
    answer = await client.get("/dev/outbox", headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"
    (item,) = answer.json()["items"]
    assert set(item) == {"channel", "to", "subject", "body", "at"}
    assert (item["channel"], item["to"]) == ("email", "bob@example.com")
    assert "123456" in item["body"]

    page = await client.get("/dev/outbox", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "123456" in page.text
    assert "bob@example.com" in page.text


async def test_an_empty_outbox_is_a_page_too(client: httpx.AsyncClient) -> None:
    page = await client.get("/dev/outbox")
    assert page.status_code == 200
    assert 'data-testid="outbox-empty"' in page.text
