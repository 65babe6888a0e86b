"""What depends on who calls from where: other sites, proxies, strangers, production."""

from __future__ import annotations

import httpx
import pytest

from tests.support.callers import callers
from tests.support.stage import Stage

PRODUCTION = {
    "PLAZA_ENV": "production",
    "PLAZA_SECRET_KEY": "a secret of more than thirty-two characters",
    "PLAZA_PUBLIC_URL": "https://plaza.example",
    "PLAZA_NOTIFICATIONS_SMTP_URL": "smtp://127.0.0.1:1",
    "PLAZA_STORAGE_URL": "file:///var/lib/plaza",
    "PLAZA_RATE_LIMIT_ENABLED": "true",
}
STRANGER, PROXY = "203.0.113.9", "10.0.0.2"


# The request headers of the contract, and those of its answers that a client acts on.
SENT = {"authorization", "content-type", "idempotency-key", "if-match", "x-request-id"}
READ = {"etag", "idempotency-replayed", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id"}


async def preflight(client: httpx.AsyncClient, origin: str) -> httpx.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ", ".join(sorted(SENT)),
    }
    return await client.options("/api/v1/auth/login", headers=asked)


async def test_only_listed_origins_may_call_from_a_browser(plaza: Stage) -> None:
    async with callers(plaza, PLAZA_CORS_ORIGINS="https://app.example, https://admin.example") as api:
        for origin in ("https://app.example", "https://admin.example"):
            for answer in (
                await preflight(api.at(), origin),
                await api.at().get("/api/v1/auth/user", headers={"Origin": origin}),
            ):
                assert answer.headers["access-control-allow-origin"] == origin
                assert answer.headers["access-control-allow-credentials"] == "true"
                assert "Origin" in answer.headers["vary"]
        for origin in ("https://evil.example", "http://app.example", "https://app.example.evil.example", "null"):
            assert "access-control-allow-origin" not in (await preflight(api.at(), origin)).headers
            answer = await api.at().get("/api/v1/auth/user", headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers


def listed(header: str) -> set[str]:
    return {each.strip().lower() for each in header.split(",")}


async def test_scripts_of_listed_origins_may_send_and_read_what_the_contract_names(plaza: Stage) -> None:
    async with callers(plaza, PLAZA_CORS_ORIGINS="https://app.example") as api:
        asked = await preflight(api.at(), "https://app.example")
        assert asked.status_code == 204
        assert listed(asked.headers["access-control-allow-methods"]) >= {"get", "post", "patch", "put", "delete"}
        assert listed(asked.headers["access-control-allow-headers"]) >= SENT, (
            "a * counts for nothing where credentials are"
        )
        answer = await api.at().get("/health", headers={"Origin": "https://app.example"})
        assert listed(answer.headers["access-control-expose-headers"]) >= READ


async def test_without_a_list_no_other_origin_may(plaza: Stage) -> None:
    async with callers(plaza) as api:
        answer = await api.at().get("/health", headers={"Origin": "https://app.example"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("ip", "forwarded", "status"),
    [
        ("127.0.0.1", None, 200),
        ("::1", None, 200),
        ("::ffff:127.0.0.1", None, 200),
        (STRANGER, None, 401),
        (STRANGER, "127.0.0.1", 401),  # anybody can write this header
        (PROXY, STRANGER, 401),
        (PROXY, f"127.0.0.1, {STRANGER}", 401),  # the caller wrote the first, the proxy the second
        (PROXY, f"127.0.0.1, {STRANGER}, {PROXY}", 401),
        (PROXY, "127.0.0.1", 200),
    ],
)
async def test_metrics_are_open_on_loopback_and_only_a_trusted_proxy_says_who_calls(
    plaza: Stage, ip: str, forwarded: str | None, status: int
) -> None:
    async with callers(plaza, PLAZA_TRUSTED_PROXIES=f"127.0.0.1, {PROXY}") as api:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        assert (await api.at(ip).get("/metrics", headers=headers)).status_code == status


async def test_a_trusted_network_is_written_as_one(plaza: Stage) -> None:
    async with callers(plaza, PLAZA_TRUSTED_PROXIES="10.0.0.0/8") as api:
        assert (await api.at(PROXY).get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 200
        assert (await api.at("11.0.0.1").get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 401


async def test_elsewhere_metrics_want_their_token(plaza: Stage) -> None:
    async with callers(plaza, PLAZA_METRICS_TOKEN="a token of monitors") as api:
        answer = await api.at(STRANGER, "a token of monitors").get("/metrics")
        assert (answer.status_code, "plaza_http_requests_total" in answer.text) == (200, True)
        assert answer.headers["content-type"].count("charset=") == 1  # Prometheus refuses what names it twice
        for wrong in ("another token", "", "ä"):
            refused = await api.at(STRANGER).get("/metrics", headers=[(b"Authorization", f"Bearer {wrong}".encode())])
            assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_production_insists_on_https_and_has_no_tools_of_development(plaza: Stage) -> None:
    async with callers(plaza, **PRODUCTION) as api:
        answer = await api.at().get("/health/live")
        assert answer.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
        for path in ("/dev/outbox", "/dev/demo"):
            assert (await api.at().get(path)).status_code == 404
    async with callers(plaza) as api:
        assert "strict-transport-security" not in (await api.at().get("/health/live")).headers
        assert (await api.at().get("/dev/demo")).status_code == 200
