"""History and send over REST, 32 connections, against their floors."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from uuid import uuid4

import msgspec
import uvloop

from bench.environment import Environment, Group, Person
from bench.load import Outcome, press, request
from bench.usage import told

HEAD = "| path | floor, /s | Plaza, /s | ratio | aim | p99 | refused | taken of one core |\n|---|---|---|---|---|---|---|---|"
CONNECTIONS = 32
ENOUGH_MESSAGES = 60
TEXT = "The quick brown fox jumps over the lazy dog, and then over the next one. " * 2


@dataclass(frozen=True)
class Result:
    """`rounds` are pairs of (ours, floor) in answers per second, measured one after the other; `used` what ours took each time."""

    name: str
    rounds: list[tuple[float, float]]
    p99_ms: float
    refused: int
    used: list[Mapping[str, float]]
    aim: float = 0

    @property
    def ratio(self) -> float:
        return statistics.median(ours / floor for ours, floor in self.rounds)

    def row(self) -> str:
        ours, floor = (statistics.median(each) for each in zip(*self.rounds, strict=True))
        return (
            f"| {self.name} | {floor:,.0f} | {ours:,.0f} | {self.ratio:.2f} | {self.aim or ''} | {self.p99_ms:.1f} ms "
            f"| {self.refused} | {told(self.used)} |"
        )


def history(environment: Environment, group: Group, rounds: int, seconds: float) -> Result:
    person, conversation = group.people[0], group.conversation_id
    _fill(environment, group)
    ours = request("GET", f"/api/v1/chat/conversations/{conversation}/messages?limit=50", token=person.access_token)
    floor = request("GET", f"/?c={conversation}&u={person.id}")
    return alternate(
        "history: GET 50 messages", environment, lambda _: lambda: ours, lambda _: lambda: floor, rounds, seconds, 0.6
    )


def send(environment: Environment, groups: list[Group], name: str, aim: float, rounds: int, seconds: float) -> Result:
    def source(made: Callable[[Group, Person], bytes]) -> Callable[[int], Callable[[], bytes]]:
        """Each connection goes round the groups and their people."""

        def of(connection: int) -> Callable[[], bytes]:
            turns = count(connection, CONNECTIONS)

            def make() -> bytes:
                turn = next(turns)
                group = groups[turn % len(groups)]
                return made(group, group.people[turn % len(group.people)])

            return make

        return of

    def ours(group: Group, person: Person) -> bytes:
        body = msgspec.json.encode({"content": TEXT, "client_id": str(uuid4())})
        return request(
            "POST", f"/api/v1/chat/conversations/{group.conversation_id}/messages", body, person.access_token
        )

    def floor(group: Group, person: Person) -> bytes:
        to = {"conversation_id": group.conversation_id, "sender_id": person.id}
        return request("POST", "/", msgspec.json.encode({"content": TEXT, "client_id": str(uuid4()), **to}))

    return alternate(name, environment, source(ours), source(floor), rounds, seconds, aim)


def alternate(
    name: str,
    environment: Environment,
    ours: Callable[[int], Callable[[], bytes]],
    floor: Callable[[int], Callable[[], bytes]],
    rounds: int,
    seconds: float,
    aim: float = 0,
) -> Result:
    pairs, slowest, refused, used = [], [], 0, list[Mapping[str, float]]()
    for _ in range(rounds):
        below = _press(environment.floor_port, floor, seconds)
        usage = environment.usage
        with usage.measured():
            above = _press(environment.api_port, ours, seconds)
        used.append(usage.shares)
        if below.refused:
            raise RuntimeError(f"{name}: the floor refused {below.refused} requests")
        pairs.append((above.per_second, below.per_second))
        slowest.append(above.percentile(0.99) * 1000)
        refused += above.refused
    return Result(name, pairs, statistics.median(slowest), refused, used, aim)


def _press(port: int, source: Callable[[int], Callable[[], bytes]], seconds: float) -> Outcome:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(press(port, source, connections=CONNECTIONS, seconds=seconds))


def _fill(environment: Environment, group: Group) -> None:
    """A conversation with more than a page of messages."""

    def source(_: int) -> Callable[[], bytes]:
        def make() -> bytes:
            body = msgspec.json.encode({"content": TEXT, "client_id": str(uuid4())})
            path = f"/api/v1/chat/conversations/{group.conversation_id}/messages"
            return request("POST", path, body, group.people[0].access_token)

        return make

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(press(environment.api_port, source, connections=4, seconds=0.5, warm_up=0))
    if outcome.answers < ENOUGH_MESSAGES:
        raise RuntimeError(f"could not fill the conversation: {outcome.answers} sent, {outcome.refused} refused")
