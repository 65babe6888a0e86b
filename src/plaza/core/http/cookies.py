"""Whose pages may have a browser send or keep a cookie of ours.

SameSite=Strict keeps other sites from sending it, but neither a neighbour under the same domain, nor a form whose answer would set one
(a victim who is logged in as the attacker). Programs that are no browsers send no Origin and are not meant.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.types import ASGIApp, Receive, Scope, Send

from plaza.core.errors import PermissionDenied

_YES = ("true", "1")


def by_cookie(name: str) -> dict[str, Any]:
    """For the `opt` of a route that reads this cookie, or sets it where the query says `cookie=true`."""
    return {"cookie": name}


class OwnPages:
    """ASGI middleware: on these routes a cookie counts only from our own pages and from `origins`."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self.app, self.origins = app, frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["route_handler"].opt.get("cookie")
        if name is not None and not self.may(ASGIConnection(scope), name):
            raise PermissionDenied("This page may not use the cookie.")
        await self.app(scope, receive, send)

    def may(self, connection: ASGIConnection[Any, Any, Any, Any], cookie: str) -> bool:
        """Whether it comes from a page of ours, or takes no cookie and asks for none."""
        origin = connection.headers.get("origin")
        if origin is None or connection.headers.get("sec-fetch-site") == "same-origin" or origin in self.origins:
            return True
        if urlsplit(origin).netloc == connection.headers.get("host"):
            return True
        return cookie not in connection.cookies and connection.query_params.get("cookie", "").lower() not in _YES
