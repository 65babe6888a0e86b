"""SIGTERM with a peer that is slow to read: what was answered before the close frame is still there when it gets round to it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from tests.support.outside import Person
from tests.support.processes import ApiProcess, Installation
from tests.support.servers import TestServers
from tests.support.waiting import eventually

MESSAGES = 20
SETTINGS = {"PLAZA_RATE_LIMIT_ENABLED": "false", "PLAZA_DRAIN_S": "60"}


class DeafLine:
    """A socket on which nothing is read before `read_everything`."""

    def __init__(self, api: ApiProcess, person: Person) -> None:
        self.protocol = ClientProtocol(parse_uri(f"{api.base_url}/ws".replace("http", "ws")), max_size=None)
        self.line = socket.create_connection(("127.0.0.1", int(api.base_url.rpartition(":")[2])))
        request = self.protocol.connect()
        request.headers["Authorization"] = person.http.headers["Authorization"]
        self.protocol.send_request(request)
        self._write()

    async def opened(self) -> None:
        await eventually(self._has_answer)

    def say(self, type: str, **fields: Any) -> None:
        self.protocol.send_text(json.dumps({"type": type, "ref": str(uuid4()), **fields}).encode())
        self._write()

    async def is_told_to_go(self) -> bool:
        """Whether the close frame lies among what was not read yet."""
        return b"retry_ms=" in self._unread()

    def read_everything(self) -> list[dict[str, Any]]:
        """The frames up to the end of the line, which it takes its part in."""
        found = []
        while data := self.line.recv(1 << 16):
            self.protocol.receive_data(data)
            events = self.protocol.events_received()
            texts = [each for each in events if isinstance(each, Frame) and each.opcode is Opcode.TEXT]
            found += [json.loads(bytes(each.data)) for each in texts]
            self._write()
        return found

    async def _has_answer(self) -> bool:
        if not self._unread().endswith(b"}"):  # `ready` is the first frame
            return False
        self.protocol.receive_data(self.line.recv(1 << 16))
        self.protocol.events_received()
        return True

    def _unread(self) -> bytes:
        try:
            return self.line.recv(1 << 20, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""

    def _write(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.line.sendall(data)


@pytest.fixture
async def installation(
    servers: TestServers, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    database_url = await servers.another_database("farewell")
    async with Installation(tmp_path_factory.mktemp("farewell"), database_url, redis_url, **SETTINGS) as made:
        yield made


async def test_what_was_answered_reaches_a_slow_reader(installation: Installation) -> None:
    one, other = await asyncio.gather(installation.api(), installation.api())
    (writer, reader), conversation = await installation.people(2, one)
    reader = reader.at(await installation.client(other))
    line = DeafLine(one, writer)
    try:
        await line.opened()
        sent = [str(uuid4()) for _ in range(MESSAGES)]
        for client_id in sent:
            line.say("message.send", conversation_id=conversation, client_id=client_id, content="hello")
        await eventually(lambda: _are_stored(reader, conversation, set(sent)))
        one.terminate()
        await eventually(line.is_told_to_go)
        for _ in range(20):  # a peer that still talks while the server is long past its close frame
            line.say("ping")
            assert await other.is_well()
        frames = await asyncio.to_thread(line.read_everything)
    finally:
        line.line.close()
    assert {each["message"]["client_id"] for each in frames if each["type"] == "ack"} == set(sent)
    assert line.protocol.close_rcvd is not None
    assert line.protocol.close_rcvd.code == 1012
    assert await one.ended() == 0


async def _are_stored(reader: Person, conversation: str, wanted: set[str]) -> bool:
    return wanted <= {message["client_id"] for message in await reader.history(conversation)}
