"""Round after round of what nobody should send, to a process of its own: its memory stays as it is, and it never speaks of an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import websockets

from tests.support.hostile import MISSHAPEN, NO_FRAMES, NO_PACKED_FRAMES, SERVER_BYTES, wrong_fields
from tests.support.outside import Person
from tests.support.processes import ApiProcess, Installation
from tests.support.servers import TestServers

MSGPACK = "plaza.v1.msgpack"
AT_ONCE, WARM, ROUNDS = 4, 4, 12
GROWTH_MIB = 24  # a round says about 20 MiB: were any of it kept, this would be passed in the second
NO_UTF8 = b'{"type":"ping","ref":"\xff\xfe"}'


@pytest.fixture
async def installation(servers: TestServers, redis_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    database_url = await servers.another_database("hostile")
    async with Installation(tmp_path, database_url, redis_url, PLAZA_CHAT_FRAMES="1000000 per 1 second") as made:
        yield made


async def test_memory_stays_as_it_is(installation: Installation) -> None:
    api = await installation.api()
    (ada, bob, mallory), group = await installation.people(3, api)
    async with ada.socket() as adas, bob.socket() as bobs:
        grown = []
        for n in range(WARM + ROUNDS):
            await asyncio.gather(*(annoy(mallory, group) for _ in range(AT_ONCE)))
            grown.append(resident_mib(api))
            sent = {"conversation_id": group, "client_id": str(uuid4()), "content": f"round {n}"}
            await adas.next("ack", ref=await adas.send("message.send", **sent))
            while (await bobs.next("message.new"))["message"]["content"] != f"round {n}":
                pass
    assert max(grown[WARM:]) - grown[WARM - 1] < GROWTH_MIB, grown
    log = api.log.read_text()
    assert '"level":"info"' in log
    assert '"level":"error"' not in log, log[-4000:]
    assert "Traceback" not in log


async def annoy(who: Person, group: str) -> None:
    """Everything that there is, over as many lines as that takes."""
    values = {"conversation_id": group, "content": "hello", "seq": 1, "emoji": "👍", "status": "online"}
    many = [msgspec.json.encode(each).decode() for each in wrong_fields(values)]
    for packed in NO_PACKED_FRAMES:
        await say_all(who, [packed] * 3, subprotocols=[MSGPACK])
    texts: list[str | bytes] = [*NO_FRAMES, "x" * (SERVER_BYTES - 1), "x" * (4 * SERVER_BYTES), NO_UTF8]
    for each in texts:
        await say_all(who, [each] * 3, text=True)
    await say_all(who, [*MISSHAPEN, *many])


async def say_all(who: Person, frames: Sequence[str | bytes], *, text: bool | None = None, **options: Any) -> None:
    """Until the line is closed, or all is said."""
    headers = {"Authorization": who.http.headers["Authorization"]}
    url = f"{who.base_url}/ws".replace("http", "ws", 1)
    async with websockets.connect(url, additional_headers=headers, max_size=None, **options) as line:
        reading = asyncio.create_task(_drain(line))
        try:
            for frame in frames:
                await line.send(frame, text=text)
        except websockets.ConnectionClosed:
            pass
        await line.close()
        await reading


async def _drain(line: Any) -> None:
    try:
        async for _ in line:
            pass
    except websockets.ConnectionClosedError:
        pass


def resident_mib(process: ApiProcess) -> float:
    assert process.child is not None
    status = Path(f"/proc/{process.child.pid}/status").read_text()
    (kib,) = [int(each.split()[1]) for each in status.splitlines() if each.startswith("VmRSS")]
    return kib / 1024
