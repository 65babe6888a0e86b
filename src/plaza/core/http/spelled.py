"""Answers of hot routes whose JSON is spelled already, by PostgreSQL or by msgspec: without what Litestar makes of a response."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from litestar import Response
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class Spelled(Response[T], Generic[T]):
    """`T` is what the bytes stand for. A route's own headers and cookies, and `background`, are not for these."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.body, self.status = body, status

    @classmethod
    def of(cls, value: T, status: int = 200) -> Spelled[T]:
        return cls(_encode(value), status)

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override] # any ASGI application will do
        return self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = str(len(self.body)).encode()
        start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": self.status,
            "headers": [(b"content-type", b"application/json"), (b"content-length", length)],
        }
        await send(start)
        body: HTTPResponseBodyEvent = {"type": "http.response.body", "body": self.body, "more_body": False}
        await send(body)
