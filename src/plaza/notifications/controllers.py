"""`/dev/outbox`: what would have been sent. Only outside of production."""

from __future__ import annotations

from typing import Any

import msgspec
from jinja2 import PackageLoader
from litestar import Controller, Request, Response, get

from plaza.core.http import ANONYMOUS
from plaza.core.http.limits import UNLIMITED
from plaza.notifications.rendering import environment
from plaza.notifications.service import NotificationService

_JSON, _HTML = "application/json", "text/html"
_PAGE = environment(PackageLoader("plaza.notifications")).get_template("outbox.html")


class OutboxController(Controller):
    path = "/dev/outbox"
    include_in_schema = False
    opt = {**ANONYMOUS, **UNLIMITED}
    notifications: NotificationService

    @get("/")
    async def outbox(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        shown = (await self.notifications.outbox()).unwrap()
        if request.accept.best_match([_HTML, _JSON]) == _JSON:
            return Response(msgspec.json.encode(shown), media_type=_JSON, headers={"Cache-Control": "no-store"})
        page = _PAGE.render(items=shown.items).encode()
        return Response(page, media_type=_HTML, headers={"Cache-Control": "no-store"})
