"""What load balancers and monitors ask. These routes are exempt from limits and never need a token, `/metrics` aside."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any, Literal

import msgspec
from litestar import Controller, Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from plaza.core.db import Database
from plaza.core.errors import Unauthenticated
from plaza.core.http.authentication import bearer_token
from plaza.core.http.authorization import ANONYMOUS
from plaza.core.http.limits import UNLIMITED
from plaza.core.http.request import client_ip
from plaza.core.settings import PlazaSettings

Status = Literal["ok", "degraded", "down"]

# Litestar adds a charset to text; with two of them Prometheus refuses the answer.
_EXPOSITION = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")


class Health(msgspec.Struct, frozen=True):
    """`degraded`: Redis is down; reading, writing and REST go on."""

    status: Status
    database: Literal["ok", "down"]
    redis: Literal["ok", "down"]


class Alive(msgspec.Struct, frozen=True):
    status: Literal["ok"] = "ok"


class HealthController(Controller):
    tags = ("health",)
    opt = {**ANONYMOUS, **UNLIMITED}

    db: Database
    redis: Redis
    settings: PlazaSettings

    @get(["/health", "/health/ready"], cache_control=None, responses={})
    async def health(self) -> Response[Health]:
        database, redis = await self.db.is_up(), await self._redis_is_up()
        status: Status = "down" if not database else "ok" if redis else "degraded"
        body = Health(status, "ok" if database else "down", "ok" if redis else "down")
        return Response(body, status_code=200 if database else 503, headers={"Cache-Control": "no-store"})

    @get("/health/live")
    async def live(self) -> Alive:
        return Alive()

    @get("/metrics", include_in_schema=False)
    async def metrics(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        if not _is_loopback(client_ip(request.scope)):
            token = bearer_token(request.scope) or ""
            if not (
                self.settings.metrics_token
                and hmac.compare_digest(token.encode(), self.settings.metrics_token.encode())
            ):
                raise Unauthenticated
        return Response(generate_latest(), media_type=_EXPOSITION)

    async def _redis_is_up(self) -> bool:
        try:
            return bool(await self.redis.ping())
        except (RedisError, OSError):
            return False


def _is_loopback(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False
