"""Whose pages may have a browser send or keep a cookie of ours.

SameSite=Strict keeps other sites from sending it, but neither a neighbour under the same domain, nor a form whose answer would set one
(a victim who is logged in as the attacker). Programs that are no browsers send no Origin and are not meant.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from plaza.core.errors import PermissionDenied

_YES = ("true", "1")


def by_cookie(name: str) -> dict[str, Any]:
    """For the `opt` of a route that reads this cookie, or sets it where the query says `cookie=true`."""
    return {"cookie": name}


class OwnPages:
    """A guard of the application: on these routes a cookie counts only from our own pages and from `origins`."""

    def __init__(self, origins: Collection[str]) -> None:
        self.origins = frozenset(origins)

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        name = handler.opt.get("cookie")
        if name is None or self.is_own(connection.headers):
            return
        if name in connection.cookies or connection.query_params.get("cookie", "").lower() in _YES:
            raise PermissionDenied("This page may not use the cookie.")

    def is_own(self, headers: Any) -> bool:
        origin = headers.get("origin")
        if origin is None or headers.get("sec-fetch-site") == "same-origin" or origin in self.origins:
            return True
        return bool(urlsplit(origin).netloc == headers.get("host"))
