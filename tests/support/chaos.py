"""People who write, change and read while everything under them is killed, and what must be true afterwards.

Every acknowledged message is in the log once, in one order; every reader's log equals it. Shared by tests/faults/test_everything.py and
`python -m bench.chaos`.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
import msgspec

from plaza.client import Plaza, PlazaError, Up
from plaza.client.errors import Failed, Unreachable
from plaza.client.events import place_of
from plaza.client.models import MessageView
from tests.support.outside import sign_up
from tests.support.supervised import Supervised
from tests.support.tls import TLS
from tests.support.waiting import eventually
from tests.support.wire import Wire

SENDERS, READERS = 8, 4
TROUBLE = (httpx.HTTPError, KeyError, json.JSONDecodeError)
ANSWER_S = 5  # then it is asked again
SENDER_PAUSE_S, KILLER_PAUSE_S = 0.08, 2.5  # at most
CHANGED = 0.2  # of the messages, now or later
LINES = "connections"  # among the victims
LASTING = {"PLAZA_IDENTITY_ACCESS_TOKEN_S": "7200"}  # a token outlives the run


class Chaos:
    """`counts` tells what happened, of each of `victims` how often it was hit.

    All chances are drawn from the seed, but who does what first is the machine's choice.
    """

    victims = (*Supervised.children, LINES)

    def __init__(self, installation: Supervised, seed: int) -> None:
        self.installation, self.random = installation, random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.acked: dict[str, tuple[int, str]] = {}  # client_id to seq and id
        self.stopping = False
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.wire = await self._stack.enter_async_context(Wire(self.installation.port))
        people = [await sign_up(await self.client(), f"p{n}@example.com") for n in range(SENDERS + READERS)]
        self.conversation = await people[0].conversation_with(*people[1:], title="Under fire")
        self.judge = people[0].http
        clients = [await self._stack.enter_async_context(each.plaza()) for each in people]
        self.senders = [Sender(self, each, by_socket=n % 2 == 0) for n, each in enumerate(clients[:SENDERS])]
        self.readers = [Reader(self, each) for each in clients[SENDERS:]]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def client(self) -> httpx.AsyncClient:
        """Over the line that is cut."""
        http = httpx.AsyncClient(base_url=self.wire.base_url, timeout=ANSWER_S, verify=TLS)
        return await self._stack.enter_async_context(http)

    async def rage(self, seconds: float) -> None:
        """Ends once everything runs again, everybody has said what he was saying, and the readers have heard it."""
        async with asyncio.TaskGroup() as reading:
            listening = [reading.create_task(each.listen()) for each in self.readers]
            async with asyncio.TaskGroup() as writing:
                for sender in self.senders:
                    writing.create_task(sender.run())
                await self._kill(seconds)
                await eventually(self.installation.is_healthy)
                self.stopping = True
            head = (await self.log())[-1]["seq"]
            for each in self.readers:
                await each.reaches(head)
            for task in listening:
                task.cancel()

    async def log(self) -> list[dict[str, Any]]:
        """All of it, from the feed."""
        found: list[dict[str, Any]] = []
        path = f"/api/v1/chat/conversations/{self.conversation}/events"
        while True:
            after = found[-1]["seq"] if found else 0
            answer = await self.judge.get(path, params={"after_seq": after, "limit": 100})
            page = answer.raise_for_status().json()["items"]
            if not page:
                return found
            found += page

    async def check(self) -> None:
        log = [named(frame) for frame in await self.log()]
        assert [seq for seq, *_ in log] == list(range(1, len(log) + 1)), "the log has a gap or a twin"
        sent = {client_id: (seq, id) for seq, kind, id, client_id, *_ in log if kind == "message.new" and client_id}
        twins = Counter(client_id for _, kind, _, client_id, *_ in log if kind == "message.new" and client_id)
        assert set(twins.values()) == {1}, "a client_id stands in the log twice"
        lost = {each: place for each, place in self.acked.items() if sent.get(each) != place}
        assert not lost, f"{len(lost)} acknowledged messages are not where the ack said"
        for reader in self.readers:
            assert reader.heard == log, _difference(reader.heard, log)
        self.counts["acked"] = len(self.acked)
        self.counts["entries in the log"] = len(log)
        self.counts["of them messages"] = len(sent)

    async def _kill(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        victims = iter(list[str]())
        while loop.time() < ends_at:
            await asyncio.sleep(self.random.uniform(0.1, KILLER_PAUSE_S))
            victim = next(victims, None)
            if victim is None:  # at random, but none is spared
                victims = iter(self.random.sample(self.victims, len(self.victims)))
                victim = next(victims)
            if victim == LINES:
                self.wire.cut()
                self.counts[victim] += 1
            elif self.installation.kill(victim):
                self.counts[victim] += 1


class Sender:
    """One message after the other, each with one client_id until it is acknowledged; now and then one of them is changed."""

    def __init__(self, chaos: Chaos, plaza: Plaza, *, by_socket: bool) -> None:
        self.chaos, self.plaza, self.by_socket = chaos, plaza, by_socket
        self.mine: list[UUID] = []

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            send = self.plaza.messages.send
            if self.by_socket:
                send = (await stack.enter_async_context(self.plaza.line(everything=False))).send
            while not self.chaos.stopping:
                await self._say(send)
                if self.chaos.random.random() < CHANGED:
                    await self._change(self.chaos.random.choice(self.mine[-20:]))
                await asyncio.sleep(self.chaos.random.uniform(0, SENDER_PAUSE_S))

    async def _say(self, send: Callable[..., Awaitable[MessageView]]) -> None:
        client_id, message = uuid4(), None
        self.chaos.counts["sent"] += 1
        while message is None:
            try:
                message = await send(self.chaos.conversation, "under fire", client_id=client_id)
            except (Failed, Unreachable) as error:  # its patience is at an end, but not ours
                assert error.status in (0, 503), error
                self.chaos.counts["sent again"] += 1
        self.chaos.acked[str(client_id)] = message.seq, str(message.id)
        self.mine.append(message.id)

    async def _change(self, message: UUID) -> None:
        """Whatever is answered: it may have been deleted before, or edited too often."""
        messages, here = self.plaza.messages, self.chaos.conversation
        changes: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: messages.edit(here, message, f"edited {uuid4()}"),
            lambda: messages.toggle(here, message, "👍"),
            lambda: messages.delete(here, message),
        )
        try:
            await self.chaos.random.choices(changes, (4, 4, 1))[0]()
        except PlazaError as error:
            assert error.status < 500 or error.status == 503, error
        else:
            self.chaos.counts["changed"] += 1


class Reader:
    """All of the log, over as many sockets as it takes."""

    def __init__(self, chaos: Chaos, plaza: Plaza) -> None:
        self.chaos, self.plaza = chaos, plaza
        self.heard: list[tuple[Any, ...]] = []

    async def listen(self) -> None:
        """Until cancelled."""
        async with self.plaza.line(after={self.chaos.conversation: 0}, everything=False) as line:
            async for event in line:
                if place_of(event) is not None:
                    self.heard.append(named(msgspec.to_builtins(event)))
                self.chaos.counts["sockets of readers"] += isinstance(event, Up)

    async def reaches(self, seq: int) -> None:
        async def is_there() -> bool:
            return bool(self.heard) and self.heard[-1][0] >= seq

        await eventually(is_there)


def named(frame: dict[str, Any]) -> tuple[Any, ...]:
    """What an entry of the log is, without the text of its message, which is told as it is when it is read."""
    message = frame.get("message", {})
    id, client_id = message.get("id", frame.get("message_id")), message.get("client_id")
    return frame["seq"], frame["type"], id, client_id, frame.get("user_id"), frame.get("emoji"), frame.get("added")


def _difference(heard: list[tuple[Any, ...]], log: list[tuple[Any, ...]]) -> str:
    """The first one."""
    for n, (one, other) in enumerate(zip(heard, log, strict=False)):
        if one != other:
            return f"entry {n}: a reader heard {one}, the log says {other}"
    return f"a reader heard {len(heard)} entries of {len(log)}"
