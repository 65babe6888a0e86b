"""Some readers stop reading: what it does to the others, what it costs, and whether those come back whole. `make bench ARGS=slow`.

Messages are long, so that the network's own buffers are soon full and what is measured is Plaza's queue.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
import msgspec

from bench.crowd import Crowd, number_of
from bench.environment import Environment, Group, Person
from bench.sockets import run
from bench.usage import resident_kib, told
from bench.websocket import dial, hung_up

HEAD = (
    "| readers | p99 of the others, all read | some stalled | moved | aim | each costs | aim | closed with 4008 | came back whole "
    "| taken of one core |\n|---|---|---|---|---|---|---|---|---|---|"
)
STALLED, PACE, CALM_SPELLS = 50, 22, 3  # a pace at which the queue is full before a ping stays unanswered for too long
TEXT = "x" * 8_000
SMALL_BUFFER = 4096  # bytes
PATIENCE_S = 60
SPELL_S = 5


@dataclass(frozen=True)
class Round:
    """`cost_kib` of each stalled reader, at its dearest."""

    calm_ms: float
    stalled_ms: float
    cost_kib: float
    closed: int
    whole: int


def slow_readers(environment: Environment, group: Group, rounds: int) -> str:
    made, used = list[Round](), list[Mapping[str, float]]()
    for _ in range(rounds):
        usage = environment.usage
        with usage.measured():
            made.append(run(_round(environment, group)))
        used.append(usage.shares)
    calm, stalled = (
        statistics.median(each) for each in zip(*((one.calm_ms, one.stalled_ms) for one in made), strict=True)
    )
    moved = statistics.median(one.stalled_ms / one.calm_ms - 1 for one in made)
    cost = statistics.median(one.cost_kib for one in made)
    asked = STALLED * len(made)
    return (
        f"| {len(group.people)}, of them {STALLED} stalled | {calm:.1f} ms | {stalled:.1f} ms | {moved:+.0%} | +20% | {cost:,.0f} KiB "
        f"| 1,024 KiB | {sum(one.closed for one in made)} of {asked} | {sum(one.whole for one in made)} of {asked} | {told(used)} |"
    ).replace("%", " %")


async def _round(environment: Environment, group: Group) -> Round:
    port, conversation = environment.api_port, group.conversation_id
    awake, asleep = Crowd(TEXT), [Sleeper(person, conversation) for person in group.people[-STALLED:]]
    await awake.join(port, "/ws", group.people[:-STALLED])
    for each in asleep:
        await each.listen(port)
    await awake.speak(conversation, PACE, 2)
    await awake.all_heard()
    awake.counting = True
    async with _api(port, group.people[0]) as http:
        pid = environment.pids["API"]
        for _ in range(CALM_SPELLS):
            before = await _spell(awake, conversation, http, pid)
        await awake.all_heard()
        calm, awake.latencies = _p99(awake), []
        for each in asleep:
            each.line.transport.pause_reading()
        now, most = before, before.memory_kib
        async with asyncio.timeout(PATIENCE_S):
            while now.closed < before.closed + STALLED:
                now = await _spell(awake, conversation, http, pid)
                most = max(most, now.memory_kib)
        await awake.all_heard()
        stalled = _p99(awake)
        head = (await http.get(f"/api/v1/chat/conversations/{conversation}")).raise_for_status().json()["last_seq"]
    closed = whole = 0
    for each in asleep:
        each.line.transport.resume_reading()
    for each in asleep:
        closed += await each.line.closed == 4008
        whole += await each.is_whole(port, head)
    await awake.leave()
    return Round(calm, stalled, (most - before.memory_kib) / STALLED, closed, whole)


class Sleeper:
    def __init__(self, person: Person, conversation: str) -> None:
        self.person, self.conversation = person, conversation
        self.seqs: list[int] = []
        self.reached = asyncio.Event()
        self.head = 0

    async def listen(self, port: int) -> None:
        self.line = await dial(port, "/ws", self._hear, token=self.person.access_token, receive_buffer=SMALL_BUFFER)

    async def is_whole(self, port: int, head: int) -> bool:
        """Resumes where the first line ended, up to `head`."""
        self.head = head
        await self.listen(port)
        wanted = [{"id": self.conversation, "after_seq": self.seqs[-1]}]
        self.line.say(msgspec.json.encode({"type": "subscribe", "ref": 1, "conversations": wanted}))
        async with asyncio.timeout(PATIENCE_S):
            await self.reached.wait()
        await hung_up(self.line)
        return self.seqs == list(range(self.seqs[0], head + 1))

    def _hear(self, payload: bytes) -> None:
        if payload.startswith(b'{"type":"message.new"'):
            self.seqs.append(number_of(payload, b'"seq":'))
            if self.seqs[-1] == self.head:
                self.reached.set()


def _p99(crowd: Crowd) -> float:
    return statistics.quantiles(crowd.latencies, n=100)[98] * 1000


def _api(port: int, person: Person) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {person.access_token}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers)


@dataclass(frozen=True)
class Spell:
    """`closed` counts readers that were too slow, ever; `memory_kib` is the most that the API held meanwhile."""

    closed: int
    memory_kib: int


async def _spell(awake: Crowd, conversation: str, http: httpx.AsyncClient, pid: int) -> Spell:
    """Some seconds of speech. Metrics are asked for but once, because that takes the API as long as some messages do."""
    most = 0
    for _ in range(SPELL_S):
        await awake.speak(conversation, PACE, 1)
        most = max(most, resident_kib(pid))
    text = (await http.get("/metrics")).text
    line = next(each for each in text.splitlines() if each.startswith("plaza_slow_readers_total"))
    return Spell(int(float(line.split()[1])), most)
