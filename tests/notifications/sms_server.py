"""A real HTTP server on loopback that answers in Twilio's manner, keeps what it gets, and misbehaves as it is told."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from http import HTTPStatus
from urllib.parse import parse_qsl

ACCOUNT, TOKEN = "AC00000000000000000000000000000000", "a token"


@dataclass(frozen=True)
class Posted:
    path: str
    headers: dict[str, str]
    form: dict[str, str]


class SmsServer:
    """`replies` are (status, body) for one request after another; then a message is accepted, if the credentials are right.

    `on_post` is called with each request before it is answered; `mute` takes requests and never answers.
    """

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.accepted: list[dict[str, str]] = []
        self.replies: list[tuple[int, str]] = []
        self.on_post: Callable[[Posted], object] = lambda _: None
        self.mute = False
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[SmsServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        try:
            self.port = server.sockets[0].getsockname()[1]
            yield self
        finally:
            server.close()
            await server.wait_closed()

    def problem(self, status: int, code: int, message: str) -> None:
        """The next answer."""
        more = f"https://www.twilio.com/docs/errors/{code}"
        body = {"code": code, "message": message, "more_info": more, "status": status}
        self.replies.append((status, json.dumps(body)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            first, _, rest = head.partition(b"\r\n")
            headers = {name.lower(): value for name, value in BytesHeaderParser().parsebytes(rest).items()}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            posted = Posted(first.split()[1].decode(), headers, dict(parse_qsl(body.decode())))
            self.posted.append(posted)
            self.on_post(posted)
            if self.mute:
                await reader.read()
                return
            status, answer = self._answer(posted)
            writer.write(
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(answer)}\r\nConnection: close\r\n\r\n{answer}".encode()
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, posted: Posted) -> tuple[int, str]:
        if self.replies:
            return self.replies.pop(0)
        basic = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if posted.headers.get("authorization") != basic:
            return 401, json.dumps({"code": 20003, "message": "Authenticate", "status": 401})
        if posted.path != f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
            return 404, json.dumps({"code": 20404, "message": f"{posted.path} was not found", "status": 404})
        self.accepted.append(posted.form)
        sid = f"SM{len(self.accepted):032x}"
        return 201, json.dumps({"sid": sid, "status": "queued", "to": posted.form["To"], "error_code": None})
