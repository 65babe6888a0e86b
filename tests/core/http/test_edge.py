from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from plaza.core.http.edge import Edge
from plaza.core.settings import PlazaSettings
from tests.support.people import Member, member
from tests.support.stage import Stage


@pytest.fixture
async def ada(plaza: Stage) -> Member:
    return await member(plaza, "ada")


async def test_a_callers_request_id_is_echoed_and_told_in_problems(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/auth/user", headers={"X-Request-ID": "from-the-app-7"})
    assert answer.headers["x-request-id"] == "from-the-app-7"
    assert answer.json()["correlation_id"] == "from-the-app-7"


@pytest.mark.parametrize("unfit", ["", "a b", "x" * 129, "<script>", "naïve"])
async def test_an_unfit_request_id_is_replaced(client: httpx.AsyncClient, unfit: str) -> None:
    answer = await client.get("/health/live", headers=[(b"X-Request-ID", unfit.encode())])
    assert UUID(answer.headers["x-request-id"]).version == 7


async def test_security_headers_are_on_every_answer(client: httpx.AsyncClient) -> None:
    for path in ("/", "/health", "/nowhere", "/api/v1/auth/user"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    page = (await client.get("/")).headers
    assert "default-src 'self'" in page["content-security-policy"]
    assert "unsafe" not in page["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", "/api/v1/chat/conversations/not-an-id", 404, "NOT_FOUND"),
        ("DELETE", "/api/v1/auth/login", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v1/auth/user", 401, "UNAUTHENTICATED"),
        ("GET", "/health?x=%00", 400, "VALIDATION_ERROR"),
        ("GET", "/assets/a%00b", 400, "VALIDATION_ERROR"),
        ("GET", "/assets/..%2f..%2fsite.py", 404, "NOT_FOUND"),
    ],
)
async def test_what_is_wrong_is_told_by_a_problem_document(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem.keys() == {"type", "title", "status", "detail", "code", "correlation_id", "errors"}


async def test_405_names_the_methods_that_work(client: httpx.AsyncClient) -> None:
    assert "POST" in (await client.delete("/api/v1/auth/login")).headers["allow"]


async def test_401_comes_before_the_shape(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/chat/conversations", content=b"{{{ not json")
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"{{{ not json",
        b'{"identifier": "a", "password": "b", "unknown": 1}',
        b'{"identifier": 7, "password": "b"}',
        b'{"password": "b"}',
        b'{"identifier": "a\\u0000b", "password": "b"}',
        b'{"identifier": "\\\\\\u0000", "password": "b"}',
        b'{"identifier": "\xff\xfe", "password": "b"}',
        b'{"identifier": "\\ud800", "password": "b"}',
        b"[" * 100_000,
        b"null",
        b"[]",
    ],
)
async def test_a_body_of_the_wrong_shape_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/api/v1/auth/login", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), answer.text


async def test_an_escaped_backslash_before_u0000_is_plain_text(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/login", content=b'{"identifier": "\\\\u0000", "password": "b"}')
    assert answer.json()["code"] == "INVALID_CREDENTIALS"


async def test_a_wrong_field_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/login", json={"identifier": 7, "password": "b"})
    assert "identifier" in json.dumps(answer.json()["errors"])


async def test_a_body_over_one_mebibyte_is_413(client: httpx.AsyncClient, ada: Member) -> None:
    for http, headers in ((client, {}), (ada.http, {"Idempotency-Key": "large"})):
        body = {"identifier": "x" * (1 << 20), "password": "b"}
        answer = await http.post("/api/v1/chat/conversations", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) in ((413, "PAYLOAD_TOO_LARGE"), (401, "UNAUTHENTICATED"))
    answer = await client.post("/api/v1/auth/login", json={"identifier": "x" * (1 << 20), "password": "b"})
    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_trailing_slash_makes_no_difference(ada: Member) -> None:
    plain, slashed = [await ada.http.get(f"/api/v1/auth/user{end}") for end in ("", "/")]
    assert plain.status_code == slashed.status_code == 200
    assert plain.json() == slashed.json()


async def test_a_post_without_a_body_is_an_empty_object(ada: Member) -> None:
    assert (await ada.http.post("/api/v1/auth/logout")).status_code == 204


async def test_health_and_metrics(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "ok", "database": "ok", "redis": "ok"}
    assert (await client.get("/health/live")).json() == {"status": "ok"}
    metrics = (await client.get("/metrics")).text
    assert 'plaza_http_requests_total{method="GET",route="/health",status="200"}' in metrics


async def test_the_api_documents_itself_without_another_host(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    assert "/api/v1/auth/login" in document["paths"]
    page = await client.get("/schema")
    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in page.text.replace("<!doctype", "")
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js"):
        assert (await client.get(f"/assets/{asset}")).status_code == 200


async def test_assets_are_revalidated(client: httpx.AsyncClient) -> None:
    etag = (await client.get("/assets/app.js")).headers["etag"]
    again = await client.get("/assets/app.js", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


async def called(app: Any, **settings: Any) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "GET", "path": "/slow", "query_string": b"", "headers": []}
    await Edge(app, PlazaSettings(**settings))(scope, receive, send)
    return sent


async def test_a_request_past_its_deadline_is_503() -> None:
    async def never(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    start, body = await called(never, request_deadline_s=0.01)
    assert start["status"] == 503
    assert json.loads(body["body"])["code"] == "UNAVAILABLE"


async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    async def halfway(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await called(halfway, request_deadline_s=0.01)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/v1/auth/login", {"identifier": "ada"}, "password"),
        ("/api/v1/auth/login", {"identifier": "ada", "password": "x", "colour": "red"}, "colour"),
        ("/api/v1/auth/login", [], "body"),
        ("/api/v1/auth/passkeys/authenticate", {"challenge_id": "x", "credential": {"id": "x"}}, "credential.rawId"),
    ],
)
async def test_a_problem_names_the_field_that_is_wrong(
    client: httpx.AsyncClient, path: str, body: object, field: str
) -> None:
    answer = await client.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert list(answer.json()["errors"]) == [field]
