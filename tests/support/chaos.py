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
from uuid import uuid4

import httpx
import websockets

from tests.support.outside import Person, Socket, sign_up
from tests.support.supervised import Cable, Supervised
from tests.support.waiting import eventually

SENDERS, READERS = 8, 4
TROUBLE = (OSError, TimeoutError, httpx.HTTPError, websockets.WebSocketException, KeyError, json.JSONDecodeError)
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
        self.cable = await self._stack.enter_async_context(Cable(self.installation.port))
        people = [await sign_up(await self.client(), f"p{n}@example.com") for n in range(SENDERS + READERS)]
        self.conversation = await people[0].conversation_with(*people[1:], title="Under fire")
        self.senders = [Sender(self, each, by_socket=n % 2 == 0) for n, each in enumerate(people[:SENDERS])]
        self.readers = [Reader(self, each) for each in people[SENDERS:]]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def client(self) -> httpx.AsyncClient:
        """Over the line that is cut."""
        address = f"http://127.0.0.1:{self.cable.port}"
        return await self._stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=ANSWER_S))

    async def rage(self, seconds: float) -> None:
        """Ends once everything runs again, everybody has said what he was saying, and the readers have heard it."""
        async with asyncio.TaskGroup() as reading:
            listening = [reading.create_task(each.listen()) for each in self.readers]
            async with asyncio.TaskGroup() as writing:
                for sender in self.senders:
                    writing.create_task(sender.run())
                await self._kill(seconds)
                await eventually(self.installation.is_healthy, limit_s=120)
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
            answer = await self.senders[0].person.http.get(path, params={"after_seq": after, "limit": 100})
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
                self.cable.cut()
                self.counts[victim] += 1
            elif self.installation.kill(victim):
                self.counts[victim] += 1


class Sender:
    """One message after the other, each with one client_id until it is acknowledged; now and then one of them is changed."""

    def __init__(self, chaos: Chaos, person: Person, *, by_socket: bool) -> None:
        self.chaos, self.person, self.by_socket = chaos, person, by_socket
        self.mine: list[str] = []

    async def run(self) -> None:
        while not self.chaos.stopping:
            async with AsyncExitStack() as stack:
                line = None
                if self.by_socket:
                    line = await self._tried(stack.enter_async_context(self.person.socket(by_ticket=False)))
                    if line is None:
                        await self._rest()
                        continue
                    self.chaos.counts["sockets of senders"] += 1
                await self._speak(line)

    async def _speak(self, line: Socket | None) -> None:
        """Until the line breaks or everything is over."""
        while not self.chaos.stopping:
            was_at_once = await self._say(line, str(uuid4()))
            if self.chaos.random.random() < CHANGED:
                await self._tried(self._change(self.chaos.random.choice(self.mine[-20:])))
            if line is not None and not was_at_once:
                return
            await self._rest()

    async def _say(self, line: Socket | None, client_id: str) -> bool:
        """Until it is acknowledged: first on the line, then over REST. Answers whether the first try did it."""
        self.chaos.counts["sent"] += 1
        message = await self._tried(self._by_rest(client_id) if line is None else self._by_socket(line, client_id))
        was_at_once = message is not None
        while message is None:
            await self._rest()
            self.chaos.counts["resent"] += 1
            message = await self._tried(self._by_rest(client_id))
        self.chaos.acked[client_id] = message["seq"], message["id"]
        self.mine.append(message["id"])
        return was_at_once

    async def _by_rest(self, client_id: str) -> dict[str, Any]:
        path = f"/api/v1/chat/conversations/{self.chaos.conversation}/messages"
        answer = await self.person.http.post(path, json={"content": "by REST", "client_id": client_id})
        assert answer.status_code in (200, 201, 503), answer.text
        message: dict[str, Any] = answer.raise_for_status().json()
        return message

    async def _by_socket(self, line: Socket, client_id: str) -> dict[str, Any]:
        line.seen.clear()
        said = {"conversation_id": self.chaos.conversation, "client_id": client_id, "content": "by socket"}
        message: dict[str, Any] = (await line.next("ack", ref=await line.send("message.send", **said)))["message"]
        return message

    async def _change(self, message_id: str) -> None:
        """Whatever is answered: it may have been deleted before, or edited too often."""
        path = f"/api/v1/chat/conversations/{self.chaos.conversation}/messages/{message_id}"
        http = self.person.http
        changes: tuple[Callable[[], Awaitable[httpx.Response]], ...] = (
            lambda: http.patch(path, json={"content": f"edited {uuid4()}"}),
            lambda: http.post(f"{path}/reactions/toggle", json={"emoji": "👍"}),
            lambda: http.delete(path),
        )
        answer = await self.chaos.random.choices(changes, (4, 4, 1))[0]()
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        self.chaos.counts["changed"] += answer.is_success

    async def _rest(self) -> None:
        await asyncio.sleep(self.chaos.random.uniform(0, SENDER_PAUSE_S))

    async def _tried(self, work: Awaitable[Any]) -> Any:
        """None where it came to nothing, or nobody knows."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await work
        except TROUBLE:
            return None


class Reader:
    """All of the log, over as many sockets as it takes: each resumes after what was heard last."""

    def __init__(self, chaos: Chaos, person: Person) -> None:
        self.chaos, self.person = chaos, person
        self.heard: list[tuple[Any, ...]] = []

    async def listen(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with self.person.socket(by_ticket=False) as line:
                    self.chaos.counts["sockets of readers"] += 1
                    await self._follow(line)
            except TROUBLE:
                await asyncio.sleep(self.chaos.random.uniform(0, SENDER_PAUSE_S))

    async def _follow(self, line: Socket) -> None:
        wanted = [{"id": self.chaos.conversation, "after_seq": self.heard[-1][0] if self.heard else 0}]
        await line.next("subscribed", ref=await line.send("subscribe", conversations=wanted))
        while True:
            frame = json.loads(await line.connection.recv())
            if "seq" in frame and frame.get("conversation_id") == self.chaos.conversation:
                self.heard.append(named(frame))

    async def reaches(self, seq: int) -> None:
        async def is_there() -> bool:
            return bool(self.heard) and self.heard[-1][0] >= seq

        await eventually(is_there, limit_s=120)


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
