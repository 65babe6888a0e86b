"""Chat over sockets: two people talking, one conversation of many, and how long it takes to reach them all. `make bench ARGS=sockets`.

The floor of talking is the same insert over bare asyncpg, a commit each, pushed by a bare ASGI function on the same server; that of
fan-out are hand-framed bytes written to as many transports, with neither database nor protocol.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import uvloop

from bench.crowd import Crowd, number_of, saying
from bench.environment import Environment, Group, Person, free_port, process, reachable
from bench.hot_paths import Result
from bench.load import Outcome
from bench.usage import told
from bench.websocket import Line, dial, hung_up

T = TypeVar("T")

IN_FLIGHT = 16
SOCKETS = 200
WARM_UP_S = 1
PACE = 100  # messages a second
LATENCY_HEAD = "| | median | p99 | aim | taken of one core |\n|---|---|---|---|---|"


def talk(environment: Environment, pair: Group, rounds: int, seconds: float) -> Result:
    """Each message from being sent until its sender has the ack and the other the message."""
    pairs, slowest, used = [], [], list[Mapping[str, float]]()
    for _ in range(rounds):
        floor = run(Talk(pair, is_greeted=False).over(environment.floor_port, _floor_path(pair), seconds))
        usage = environment.usage
        with usage.measured():
            ours = run(Talk(pair).over(environment.api_port, lambda _: "/ws", seconds))
        pairs.append((ours.per_second, floor.per_second))
        slowest.append(ours.percentile(0.99) * 1000)
        used.append(usage.shares)
    return Result(f"two people, {IN_FLIGHT} in flight", pairs, statistics.median(slowest), 0, used, 0.7)


def fan_out(environment: Environment, group: Group, rounds: int, seconds: float) -> Result:
    """Deliveries a second, of all sockets together."""
    pairs, slowest, used = [], [], list[Mapping[str, float]]()
    with transports(environment) as port:
        for _ in range(rounds):
            usage = environment.usage
            with usage.measured():
                ours, size = run(_relay(environment.api_port, "/ws", group, seconds))
            floor, _ = run(_relay(port, "/", group, seconds, size))
            pairs.append((ours.per_second, floor.per_second))
            slowest.append(ours.percentile(0.99) * 1000)
            used.append(usage.shares)
    return Result(f"fan-out to {len(group.people)} sockets", pairs, statistics.median(slowest), 0, used, 0.45)


def latency(environment: Environment, group: Group, rounds: int, seconds: float) -> str:
    medians, slowest, used = [], [], list[Mapping[str, float]]()
    for _ in range(rounds):
        usage = environment.usage
        with usage.measured():
            outcome = run(_paced(environment.api_port, group, seconds))
        medians.append(outcome.percentile(0.5) * 1000)
        slowest.append(outcome.percentile(0.99) * 1000)
        used.append(usage.shares)
    name = f"send to delivery, {PACE} messages/s into {len(group.people)} sockets"
    return (
        f"| {name} | {statistics.median(medians):.1f} ms | {statistics.median(slowest):.1f} ms | 60 ms | {told(used)} |"
    )


def run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def transports(environment: Environment) -> Iterator[int]:
    """The floor of fan-out, and its port."""
    port = free_port()
    with process([sys.executable, "-m", "bench.transports", str(port)], environment, "transports"):
        asyncio.run(reachable(port, None))
        yield port


class Talk:
    """Even numbers are said by the first of the two, odd ones by the second, half of them in flight each.

    Nobody speaks before both are live: what was said earlier stands in the log, and is not pushed.
    """

    def __init__(self, pair: Group, *, is_greeted: bool = True) -> None:
        self.pair = pair
        self.missing = len(pair.people) if is_greeted else 0
        self.live = asyncio.Event()
        self.lines: list[Line] = []
        self.next_of = [0, 1]
        self.begun: dict[int, float] = {}
        self.half_done: set[int] = set()
        self.outcome = Outcome()
        self.counting = self.stopping = False
        self.silent = asyncio.Event()

    async def over(self, port: int, path: Callable[[Person], str], seconds: float) -> Outcome:
        for n, person in enumerate(self.pair.people):
            self.lines.append(await dial(port, path(person), self._hearing(n), token=person.access_token))
        if self.missing:
            await asyncio.wait_for(self.live.wait(), 30)
        for n in (0, 1) * (IN_FLIGHT // 2):
            self.say(n)
        await asyncio.sleep(WARM_UP_S)
        self.counting, started = True, time.perf_counter()
        await asyncio.sleep(seconds)
        self.counting, self.outcome.seconds = False, time.perf_counter() - started
        self.stopping = True
        try:
            await asyncio.wait_for(self.silent.wait(), 30)
        except TimeoutError:
            raise RuntimeError(
                f"never told of everywhere: {sorted(self.begun)}, once: {sorted(self.half_done)}"
            ) from None
        await hung_up(*self.lines)
        return self.outcome

    def say(self, n: int) -> None:
        number = self.next_of[n]
        self.next_of[n] += 2
        self.begun[number] = time.perf_counter()
        self.lines[n].say(saying(self.pair.conversation_id, number))

    def _hearing(self, n: int) -> Callable[[bytes], None]:
        def hear(payload: bytes) -> None:
            if payload.startswith(b'{"type":"ack"'):
                self._reached(number_of(payload, b'"ref":'))
            elif payload.startswith(b'{"type":"message.new"'):
                number = number_of(payload, b'"content":"#')
                if number % 2 != n:
                    self._reached(number)
            elif payload.startswith(b'{"type":"ready"'):
                self.missing -= 1
                if not self.missing:
                    self.live.set()
            elif payload.startswith(b'{"type":"error"'):
                raise RuntimeError(payload.decode())

        return hear

    def _reached(self, number: int) -> None:
        if number not in self.half_done:
            self.half_done.add(number)
            return
        self.half_done.discard(number)
        begun = self.begun.pop(number)
        if self.counting:
            self.outcome.answers += 1
            self.outcome.latencies.append(time.perf_counter() - begun)
        if not self.stopping:
            self.say(number % 2)
        elif not self.begun:
            self.silent.set()


async def _relay(port: int, path: str, group: Group, seconds: float, size: int = 0) -> tuple[Outcome, int]:
    """One person speaks and says the next thing when he hears himself. Answers how long a frame was, too.

    `size` is for the floor: it says again what it is told, and so is told frames of the length that Plaza's had.
    """
    crowd = Crowd()
    await crowd.join(port, path, group.people, is_greeted=not size)
    saying_next = crowd.relayed(size, group.conversation_id)
    for _ in range(IN_FLIGHT):
        saying_next()
    await asyncio.sleep(WARM_UP_S)
    heard, started = crowd.heard, time.perf_counter()
    crowd.counting = True
    await asyncio.sleep(seconds)
    crowd.counting = False
    outcome = Outcome(time.perf_counter() - started, crowd.heard - heard, 0, crowd.latencies)
    crowd.stop_speaking()
    await crowd.all_heard()
    await crowd.leave()
    return outcome, crowd.longest


async def _paced(port: int, group: Group, seconds: float) -> Outcome:
    crowd = Crowd()
    await crowd.join(port, "/ws", group.people)
    await crowd.speak(group.conversation_id, PACE, WARM_UP_S)
    await crowd.all_heard()
    crowd.counting = True
    started = time.perf_counter()
    await crowd.speak(group.conversation_id, PACE, seconds)
    await crowd.all_heard()
    outcome = Outcome(time.perf_counter() - started, len(crowd.latencies), 0, crowd.latencies)
    await crowd.leave()
    return outcome


def _floor_path(pair: Group) -> Callable[[Person], str]:
    return lambda person: f"/?c={pair.conversation_id}&u={person.id}"
