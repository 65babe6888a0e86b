"""A whole installation under load while each of its processes is killed in turn: what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import websockets

from tests.support.outside import PASSWORD, Person, sign_up
from tests.support.waiting import eventually

REPOSITORY = Path(__file__).parents[2]
SENDERS = 4
# What the supervisor's children are called in the process table.
VICTIMS = ("plaza serve", "plaza worker", "valkey-server", "postgres -D", "plaza serve")
TROUBLE = (OSError, TimeoutError, httpx.HTTPError, websockets.WebSocketException, KeyError, json.JSONDecodeError)


class Installation:
    """`plaza up` in a folder of its own."""

    def __init__(self, root: Path) -> None:
        for name in ("pyproject.toml", "alembic.ini", "migrations"):
            (root / name).symlink_to(REPOSITORY / name)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port: int = listening.getsockname()[1]
        self.log = (root / "up.log").open("wb")
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PLAZA_", "DATABASE_", "REDIS_"))
        }
        environment = {**kept, "PLAZA_PORT": str(self.port), "PLAZA_RATE_LIMIT_ENABLED": "false", "PLAZA_DRAIN_S": "2"}
        plaza = Path(sys.executable).with_name("plaza")
        self.up = subprocess.Popen(
            [sys.executable, plaza, "up"],
            cwd=root,
            env=environment,
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
        )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def child(self, name: str) -> int | None:
        """The pid of the supervisor's child whose command line holds `name`."""
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.up.pid and name in command:
                    return int(entry.name)
        return None

    async def is_healthy(self) -> bool:
        assert self.up.poll() is None, "plaza up has ended"
        try:
            async with httpx.AsyncClient(base_url=self.base_url, timeout=2) as client:
                return bool((await client.get("/health")).json()["status"] == "ok")
        except TROUBLE:
            return False

    def stop(self) -> None:
        self.up.send_signal(signal.SIGINT)
        self.up.wait(60)
        self.log.close()


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    if not Path("/proc/self/stat").exists():
        pytest.skip("finding children needs /proc")
    made = Installation(tmp_path)
    try:
        await eventually(made.is_healthy, limit_s=120)
        yield made
    finally:
        await asyncio.to_thread(made.stop)


class Load:
    """People who write, listen and register, whatever breaks; all of them try again, as clients do."""

    def __init__(self, people: list[Person], conversation: str) -> None:
        self.people, self.conversation = people, conversation
        self.acked: dict[str, int] = {}  # client_id to seq
        self.heard: list[int] = []
        self.registered: list[str] = []
        self.stopping = False

    async def write(self, person: Person, *, by_socket: bool) -> None:
        """The same client_id until it is acknowledged."""
        while not self.stopping:
            client_id = str(uuid4())
            while client_id not in self.acked:
                try:
                    async with asyncio.timeout(5):
                        message = await (self._by_socket if by_socket else self._by_rest)(person, client_id)
                    self.acked[client_id] = message["seq"]
                except TROUBLE:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.01)

    async def _by_rest(self, person: Person, client_id: str) -> dict[str, int]:
        path = f"/api/v1/chat/conversations/{self.conversation}/messages"
        answer = await person.http.post(path, json={"content": "by REST", "client_id": client_id})
        assert answer.status_code in (200, 201, 503), answer.text
        message: dict[str, int] = answer.json()
        return message

    async def _by_socket(self, person: Person, client_id: str) -> dict[str, int]:
        async with person.socket() as line:
            ref = await line.send(
                "message.send", conversation_id=self.conversation, client_id=client_id, content="by socket"
            )
            message: dict[str, int] = (await line.next("ack", ref=ref))["message"]
            return message

    async def listen(self, person: Person) -> None:
        """One reader over as many sockets as it takes, resuming after what it heard last."""
        while not self.stopping:
            with contextlib.suppress(*TROUBLE):
                async with person.socket() as line:
                    wanted = [{"id": self.conversation, "after_seq": self.heard[-1] if self.heard else 0}]
                    ref = await line.send("subscribe", conversations=wanted)
                    await line.next("subscribed", ref=ref)
                    while not self.stopping:
                        async with asyncio.timeout(2):
                            self.heard.append((await line.next("message.new"))["seq"])

    async def register(self, http: httpx.AsyncClient) -> None:
        while not self.stopping:
            email = f"{uuid4().hex}@example.com"
            with contextlib.suppress(*TROUBLE):
                answer = await http.post("/api/v1/auth/registration", json={"email": email, "password": PASSWORD})
                assert answer.status_code in (202, 429, 503), answer.text
                if answer.status_code == 202:
                    self.registered.append(email)
            await asyncio.sleep(0.1)


async def test_every_acknowledged_message_and_mail_survives_once(installation: Installation) -> None:
    async with contextlib.AsyncExitStack() as stack:

        async def client() -> httpx.AsyncClient:
            return await stack.enter_async_context(httpx.AsyncClient(base_url=installation.base_url, timeout=10))

        people = [await sign_up(await client(), f"p{n}@example.com") for n in range(SENDERS + 1)]
        load = Load(people, await people[0].conversation_with(*people[1:], title="Under fire"))
        registrar = await client()
        async with asyncio.TaskGroup() as group:
            for n, person in enumerate(people[:SENDERS]):
                group.create_task(load.write(person, by_socket=n % 2 == 0))
            group.create_task(load.listen(people[SENDERS]))
            group.create_task(load.register(registrar))
            for name in VICTIMS:
                await self_made_progress(load)
                await kill(installation, name)
            await self_made_progress(load)
            load.stopping = True
        await check_messages(load)
        await check_mails(load, registrar)


async def self_made_progress(load: Load) -> None:
    """Work goes on: more was acknowledged and registered than before."""
    acked, registered = len(load.acked), len(load.registered)

    async def more() -> bool:
        return len(load.acked) >= acked + 20 and len(load.registered) > registered

    await eventually(more, limit_s=120)


async def kill(installation: Installation, name: str) -> None:
    pid = installation.child(name)
    assert pid is not None, f"no child {name}"
    os.kill(pid, signal.SIGKILL)

    async def replaced() -> bool:
        return installation.child(name) not in (None, pid)

    await eventually(replaced)
    await eventually(installation.is_healthy)


async def check_messages(load: Load) -> None:
    history = await load.people[0].history(load.conversation)
    assert [message["seq"] for message in history] == list(range(1, len(history) + 1))
    stored = {message["client_id"]: message["seq"] for message in history if message["type"] == "text"}
    assert len(stored) == sum(message["type"] == "text" for message in history), "a client_id stands twice"
    assert load.acked.items() <= stored.items()
    assert load.heard == list(range(load.heard[0], load.heard[-1] + 1)), "a gap, a twin or a wrong order was heard"
    assert load.heard[0] == 1


async def check_mails(load: Load, http: httpx.AsyncClient) -> None:
    async def sent() -> Counter[str]:
        items = (await http.get("/dev/outbox", headers={"Accept": "application/json"})).json()["items"]
        return Counter(item["to"] for item in items)

    async def all_sent() -> bool:
        return set(load.registered) <= (await sent()).keys()

    await eventually(all_sent)
    counted = await sent()
    assert {counted[email] for email in load.registered} == {1}
