"""People as the contract knows them: HTTP, sockets and the development outbox, nothing of the program's own code but its client."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

from plaza.client import Down, Plaza
from plaza.client.frames import MessageNew
from plaza.client.models import MessageBody
from tests.support.waiting import PATIENCE_S as PATIENCE_S

PASSWORD = "correct horse battery staple"


async def mailed_code(http: httpx.AsyncClient, address: str, *, after: int = 0) -> str:
    """The six-digit number of the newest mail to `address`, once there are more than `after`."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            items = (await http.get("/dev/outbox", headers={"Accept": "application/json"})).json()["items"]
            mails = [item for item in items if item["to"] == address]
            if len(mails) > after and (codes := re.findall(r"(?<!\d)\d{6}(?!\d)", mails[0]["body"])):
                assert len(codes) == 1, "the code must be the only number of six digits"
                return str(codes[0])
            await asyncio.sleep(0.02)


@dataclass
class Socket:
    """A client's end of `/ws`."""

    connection: ClientConnection
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, type: str, **fields: Any) -> str:
        ref = str(uuid4())
        await self.connection.send(json.dumps({"type": type, "ref": ref, **fields}))
        return ref

    async def next(self, type: str, **fields: Any) -> dict[str, Any]:
        """The next frame of this type with these fields; others that come first are kept in `seen`."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame: dict[str, Any] = json.loads(await self.connection.recv())
                self.seen.append(frame)
                if frame["type"] == type and all(frame.get(name) == value for name, value in fields.items()):
                    return frame

    async def heard(self, type: str, **fields: Any) -> dict[str, Any]:
        """Such a frame, whether it came before or is still on its way."""
        for frame in self.seen:
            if frame["type"] == type and all(frame.get(name) == value for name, value in fields.items()):
                return frame
        return await self.next(type, **fields)

    async def messages(self, count: int) -> list[dict[str, Any]]:
        return [(await self.next("message.new"))["message"] for _ in range(count)]

    async def closed(self) -> tuple[int, str]:
        """Code and reason."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    self.seen.append(json.loads(await self.connection.recv()))
            except websockets.ConnectionClosed as error:
                assert error.rcvd is not None, "the line broke without a close frame"
                return error.rcvd.code, error.rcvd.reason


@dataclass
class Person:
    id: str
    email: str
    base_url: str
    http: httpx.AsyncClient
    refresh_token: str = ""

    def at(self, http: httpx.AsyncClient) -> Person:
        """The same person in the same session, through another process: `http` becomes theirs."""
        http.headers["Authorization"] = self.http.headers["Authorization"]
        return Person(self.id, self.email, _address(http), http, self.refresh_token)

    def plaza(self, base_url: str | None = None) -> Plaza:
        """The client of apps, in the same session."""
        return Plaza(base_url or self.base_url, access_token=self.http.headers["Authorization"].removeprefix("Bearer "))

    async def conversation_with(self, *others: Person, title: str | None = None) -> str:
        kind = "group" if title else "direct"
        body = {"kind": kind, "member_ids": [other.id for other in others], **({"title": title} if title else {})}
        answer = await self.http.post("/api/v1/chat/conversations", json=body)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])

    async def say(self, conversation: str, content: str, client_id: str | None = None) -> dict[str, Any]:
        body = {"content": content, "client_id": client_id or str(uuid4())}
        answer = await self.http.post(f"/api/v1/chat/conversations/{conversation}/messages", json=body)
        assert answer.status_code in (200, 201), answer.text
        message: dict[str, Any] = answer.json()
        return message

    async def history(self, conversation: str) -> list[dict[str, Any]]:
        """All of it, the oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["seq"] if found else 0
            path = f"/api/v1/chat/conversations/{conversation}/messages"
            page = (await self.http.get(path, params={"after_seq": after, "limit": 100})).json()["items"]
            if not page:
                return found
            found += page

    async def ticket(self) -> str:
        answer = await self.http.post("/api/v1/auth/ws-ticket")
        answer.raise_for_status()
        return str(answer.json()["ticket"])

    @asynccontextmanager
    async def socket(self, path: str = "/ws", *, by_ticket: bool = True) -> AsyncIterator[Socket]:
        """Open and ready; without a ticket by the header, which needs no Redis."""
        query = f"?ticket={await self.ticket()}" if by_ticket else ""
        headers = {} if by_ticket else {"Authorization": self.http.headers["Authorization"]}
        async with dialled(f"{self.base_url}{path}{query}", headers) as socket:
            await socket.next("ready")
            yield socket


class Reader:
    """Somebody who wants all of a conversation, by the client of apps. `heard` are its messages, `closes` how its sockets ended."""

    def __init__(self, conversation: str, plaza: Plaza) -> None:
        self.conversation, self.plaza = conversation, plaza
        self.heard: list[MessageBody] = []
        self.closes: list[tuple[int, str]] = []

    async def listen(self) -> None:
        """Until cancelled."""
        async with self.plaza, self.plaza.line(after={self.conversation: 0}, everything=False) as line:
            async for event in line:
                match event:
                    case MessageNew():
                        self.heard.append(event.message)
                    case Down():
                        self.closes.append((event.code, event.reason))

    async def reaches(self, seq: int) -> None:
        """Until it was heard."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.heard or self.heard[-1].seq < seq:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def dialled(url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Socket]:
    """Whatever is answered: it may be a close frame."""
    address = url.replace("http", "ws", 1)
    async with websockets.connect(
        address, additional_headers=headers, max_size=None, max_queue=None, open_timeout=PATIENCE_S
    ) as connection:
        yield Socket(connection)


async def sign_up(http: httpx.AsyncClient, email: str, *, name: str = "Somebody") -> Person:
    """`http` becomes theirs."""
    answer = await http.post(
        "/api/v1/auth/registration", json={"email": email, "password": PASSWORD, "display_name": name}
    )
    assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"}), answer.text
    code = await mailed_code(http, email)
    answer = await http.post("/api/v1/auth/verify-email", json={"email": email, "code": code})
    assert answer.status_code == 200, answer.text
    return _signed_in(http, answer.json())


async def log_in(http: httpx.AsyncClient, email: str) -> Person:
    """A session more; `http` becomes its own."""
    answer = await http.post("/api/v1/auth/login", json={"identifier": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return _signed_in(http, answer.json())


def _signed_in(http: httpx.AsyncClient, tokens: dict[str, Any]) -> Person:
    http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    user = tokens["user"]
    return Person(user["id"], user["email"], _address(http), http, tokens["refresh_token"])


def _address(http: httpx.AsyncClient) -> str:
    return str(http.base_url).rstrip("/")
