"""What handlers may ask for besides the actor: who is calling from where, and which page of a list."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import SerializationException
from litestar.params import QueryParameter
from litestar.types import HTTPRequestEvent, Receive

from plaza.core.db.pagination import DEFAULT_LIMIT, MAX_LIMIT, PageRequest
from plaza.core.errors import PayloadTooLarge, ValidationFailed

USER_AGENT_LENGTH = 500
MAX_BODY = 1024 * 1024
# In JSON a NUL can only stand as an escape; an even number of backslashes before it makes it plain text.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Client(msgspec.Struct, frozen=True):
    ip: str
    user_agent: str


class PlazaRequest(Request[Any, Any, Any]):
    """Refuses U+0000, which PostgreSQL cannot store; reads an absent body of a POST as an empty object."""

    @property
    def content_length(self) -> int | None:
        """The library would make a dictionary of all headers for it."""
        given = header(self.scope, b"content-length")
        return int(given) if given.isdecimal() else super().content_length

    async def body(self) -> bytes:
        body = await super().body()
        if not body and self.scope["method"] == "POST":
            return b"{}"
        if b"\\u0000" in body and _NUL.search(body):
            raise ValidationFailed("U+0000 is not accepted.")
        return body

    async def json(self) -> Any:
        try:
            return await super().json()
        except RecursionError as error:
            raise ValidationFailed("The body is nested too deeply.") from error
        except UnicodeDecodeError as error:
            raise ValidationFailed("The body is not UTF-8.") from error
        except SerializationException as error:
            raise ValidationFailed("The body is not JSON.") from error


def header(scope: Any, wanted: bytes) -> str:
    """Of those with this name (in lower case) the first; empty where there is none."""
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value, "latin-1")
    return ""


def provide_client(request: Request[Any, Any, Any]) -> Client:
    return Client(ip=client_ip(request.scope), user_agent=request.headers.get("user-agent", "")[:USER_AGENT_LENGTH])


def client_ip(scope: Any) -> str:
    """The caller's address; uvicorn has resolved X-Forwarded-For of trusted proxies by then.

    A server that listens on IPv6 and IPv4 together sees IPv4 callers as ::ffff:a.b.c.d, all of one /64.
    """
    client = scope.get("client")
    address = str(client[0]) if client else ""
    return address.removeprefix("::ffff:") if "." in address else address


async def read_body(receive: Receive) -> bytes | None:
    """Whole. None where the caller has gone before its end. Raises PayloadTooLarge."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message: Any = await receive()
        if message["type"] != "http.request":
            return None
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY:
            raise PayloadTooLarge
        if not message.get("more_body"):
            return b"".join(chunks)


def replayed(body: bytes, receive: Receive) -> Receive:
    """For who comes after the one that has read it."""
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        event: HTTPRequestEvent = {"type": "http.request", "body": body, "more_body": False}
        return event

    return again


PageLimit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT)]
PageCursor = Annotated[str | None, QueryParameter(max_length=1024)]


def provide_page(limit: PageLimit = DEFAULT_LIMIT, cursor: PageCursor = None) -> PageRequest:
    return PageRequest(limit=limit, cursor=cursor)
