"""Everything below /admin but the way in (`controllers`) comes through here.

static files      open to everybody
anything else     needs a visit: a person is shown the way in, a program gets a 401
POST              comes from a page of the site itself: Origin, and a token that belongs to the visit
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode

import msgspec
import structlog
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from plaza.admin.errors import ForeignForm
from plaza.admin.schemas import Visit
from plaza.admin.service import BrowsingService, VisitService
from plaza.admin.site.library import Library
from plaza.admin.site.pages import BASE, COOKIE, HEADERS, HTML, cookie_header, is_own_origin, origin_of, problem_page
from plaza.core.composition import Parts
from plaza.core.crypto import Vault
from plaza.core.errors import InternalError, MethodNotAllowed, PayloadTooLarge, Unauthenticated, ValidationFailed
from plaza.core.http import ANONYMOUS, NOT_IDEMPOTENT, PROBLEM_JSON
from plaza.core.http.limits import UNLIMITED
from plaza.core.http.problems import as_domain_error, headers_of, problem_of
from plaza.core.http.request import USER_AGENT_LENGTH, client_ip
from plaza.core.origin import network_of
from plaza.core.ratelimit import RateLimits
from plaza.core.settings import PlazaSettings
from plaza.identity import Origin

log = structlog.get_logger(__name__)

# Of a form; more is no form of ours.
MAX_BODY = 64 * 1024


def admin_site(parts: Parts) -> ASGIRouteHandler:
    """For the application's routes. Anonymous to its guard, which knows bearer tokens only: the gate stands here."""
    gate = parts.make(Gate)

    @asgi(BASE, is_mount=True, copy_scope=False, opt={**ANONYMOUS, **UNLIMITED, **NOT_IDEMPOTENT})
    async def admin(scope: Scope, receive: Receive, send: Send) -> None:
        await gate(scope, receive, send)

    return admin


class Gate:
    def __init__(
        self,
        visits: VisitService,
        browsing: BrowsingService,
        limits: RateLimits,
        plaza: PlazaSettings,
        vault: Vault,
    ) -> None:
        self.visits, self.limits, self.public_origin = visits, limits, origin_of(plaza.base_url)
        self.is_https = plaza.base_url.startswith("https://")
        self.library = Library(browsing, vault.key("admin-site").hex())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 4404, "reason": ""})
            return
        path = scope["path"].rstrip("/") or "/"
        # Litestar cuts the mount's own path off; logs and metrics know it whole, metrics not by each view.
        scope["path"], scope["path_template"] = BASE + path, f"{BASE}/static" if path.startswith("/static/") else BASE
        started = False

        async def sent(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._answer(scope, path, receive, sent)
        except Exception as error:
            if started:
                raise
            await self._refuse(scope, error, send)

    async def _answer(self, scope: Any, path: str, receive: Any, send: Any) -> None:
        inner = {**scope, "raw_path": scope["path"].encode(), "root_path": "", "state": {}}
        if path.startswith("/static/"):
            await self.library(inner, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD", "POST"):
            raise MethodNotAllowed
        visit = await self._visit(scope)
        if visit is None:
            self.limits.count("anonymous", network_of(client_ip(scope)), self.limits.settings.anonymous)
            raise Unauthenticated
        scope["actor"] = visit.actor
        self.limits.count("signed-in", visit.actor.user_id, self.limits.settings.signed_in)
        form: Mapping[str, str] = {}
        if scope["method"] == "POST":
            if not is_own_origin(
                _header(scope, b"origin"), f"{scope['scheme']}://{_header(scope, b'host')}", self.public_origin
            ):
                raise ForeignForm
            form = await _form(receive)
            if not hmac.compare_digest(form.get("csrftoken", "").encode(), visit.csrf.encode()):
                raise ForeignForm
            if path == "/leave":
                await self._leave(scope, send)
                return
        inner["state"] = {"visit": visit, "csrf_token": visit.csrf, "form": form}
        await self.library(inner, receive, _guarded(send))

    async def _visit(self, scope: Any) -> Visit | None:
        cookie = cookie_of(scope)
        if cookie is None:
            return None
        origin = Origin(ip=client_ip(scope), user_agent=_header(scope, b"user-agent")[:USER_AGENT_LENGTH])
        return (await self.visits.visit(cookie, origin)).unwrap()

    async def _leave(self, scope: Any, send: Any) -> None:
        (await self.visits.leave(cookie_of(scope) or "")).unwrap()
        await _send(
            send, 303, b"", {"Location": f"{BASE}/login", "Set-Cookie": cookie_header("", 0, self.is_https), **HEADERS}
        )

    async def _refuse(self, scope: Any, error: Exception, send: Any) -> None:
        told = as_domain_error(error)
        if isinstance(told, InternalError):
            log.error("request_failed", exc_info=error, path=scope["path"])
        for_people = "text/html" in _header(scope, b"accept")
        if isinstance(told, Unauthenticated) and for_people and scope["method"] == "GET":
            asked = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
            await _send(send, 303, b"", {"Location": f"{BASE}/login?{urlencode({'next': asked})}", **HEADERS})
        elif for_people:
            body, headers = problem_page(told)
            await _send(send, told.status, body.encode(), {"Content-Type": HTML, **headers})
        else:
            await _send(
                send,
                told.status,
                msgspec.json.encode(problem_of(told)),
                {"Content-Type": PROBLEM_JSON, **headers_of(told)},
            )


def cookie_of(scope: Any) -> str | None:
    for each in _header(scope, b"cookie").split(";"):
        name, _, value = each.strip().partition("=")
        if name == COOKIE:
            return value
    return None


async def _form(receive: Any) -> dict[str, str]:
    """The last of several values of one name counts."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ValidationFailed("The request was cut short.")
        body += message["body"]
        if len(body) > MAX_BODY:
            raise PayloadTooLarge
        if not message["more_body"]:
            break
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=50)
    except ValueError as error:
        raise ValidationFailed("This is no form.") from error
    if any("\0" in value for values in fields.values() for value in values):
        raise ValidationFailed("U+0000 is not accepted.")
    return {name: values[-1] for name, values in fields.items()}


def _guarded(send: Any) -> Any:
    async def wrapped(message: Any) -> None:
        if message["type"] == "http.response.start":
            own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message["headers"], *own]}
        await send(message)

    return wrapped


async def _send(send: Any, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    encoded.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _header(scope: Any, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")
