"""What presence costs: people coming and going before others who watch some of them, with presence and without. `make bench ARGS=presence`.

In `PERIOD_S` each of `COMERS` people opens his socket or closes it, once; the rest of the cost is the opening itself, which is there
without presence, too (`PLAZA_CHAT_PRESENCE=false`).
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import msgspec

from bench.crowd import until
from bench.environment import Environment, Group, Person
from bench.sockets import run
from bench.usage import told
from bench.websocket import Line, dial, hung_up

HEAD = (
    "| API process, in % of a core | without presence | with it | difference | aim | deltas | taken of one core |\n"
    "|---|---|---|---|---|---|---|"
)
PERIOD_S = 30
GROUPS, COMERS, WATCHERS, WATCHED = 4, 500, 50, 50  # comers and watchers of each group; whom each watcher watches
LARGER_GROUPS = {"PLAZA_CHAT_MAX_PARTICIPANTS": str(COMERS + WATCHERS)}
SETTLE_S = 3


@dataclass
class Scene:
    """People of one API process. `deltas` counts what watchers are told; `expected` what they should be."""

    environment: Environment
    random: random.Random
    deltas: int = 0
    expected: int = 0
    watching: int = 0
    watchers_of: dict[str, int] = field(default_factory=dict)
    here: dict[str, Line] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    async def watch(self, group: Group) -> None:
        comers, watchers = group.people[:COMERS], group.people[COMERS:]
        for each in watchers:
            line = await self._dial(each)
            watched = self.random.sample(comers, WATCHED)
            for person in watched:
                self.watchers_of[person.id] = self.watchers_of.get(person.id, 0) + 1
            line.say(msgspec.json.encode({"type": "presence.watch", "ref": 1, "user_ids": [one.id for one in watched]}))
            self.lines.append(line)

    async def move(self, person: Person) -> None:
        """Whoever is here goes, who is not comes."""
        self.expected += self.watchers_of.get(person.id, 0)
        line = self.here.pop(person.id, None)
        if line is None:
            self.here[person.id] = await self._dial(person)
        else:
            await hung_up(line)

    async def leave(self) -> None:
        await hung_up(*self.lines, *self.here.values())

    async def _dial(self, person: Person) -> Line:
        return await dial(self.environment.api_port, "/ws", self._hear, token=person.access_token)

    def _hear(self, payload: bytes) -> None:
        if payload.startswith(b'{"type":"presence.changed"'):
            self.deltas += 1
        elif payload.startswith(b'{"type":"ack"'):
            self.watching += 1
        elif payload.startswith(b'{"type":"error"'):
            raise RuntimeError(payload.decode())


def presence(environment: Environment, groups: list[Group], rounds: int, seed: int = 1) -> str:
    without, having = list[float](), list[float]()
    used, heard = list[Mapping[str, float]](), list[str]()
    for n in range(rounds):
        for shares, setting in ((without, "false"), (having, "true")):
            with environment.api(PLAZA_CHAT_PRESENCE=setting) as api:
                usage = api.usage
                scene = Scene(api, random.Random(seed + n))
                run(_crossing(scene, groups, usage.measured))
            shares.append(usage.shares["API"])
        used.append(usage.shares)
        heard.append(f"{scene.deltas:,} of {scene.expected:,}")
    difference = statistics.median(b - a for a, b in zip(without, having, strict=True))
    off, on = statistics.median(without), statistics.median(having)
    people = f"{GROUPS * COMERS:,} people each come or go in {PERIOD_S} s, {GROUPS * WATCHERS} watch {WATCHED} each"
    return f"| {people} | {off:.1%} | {on:.1%} | {difference:.1%} | 10.0% | {heard[-1]} | {told(used)} |".replace(
        "%", " %"
    )


async def _crossing(scene: Scene, groups: list[Group], measured: Callable[[], AbstractContextManager[None]]) -> None:
    for group in groups:
        await scene.watch(group)
    await until(lambda: scene.watching >= len(scene.lines))
    comers = [person for group in groups for person in group.people[:COMERS]]
    scene.random.shuffle(comers)
    for person in comers[::2]:
        await scene.move(person)
    await asyncio.sleep(SETTLE_S)
    scene.deltas = scene.expected = 0
    scene.random.shuffle(comers)
    begun = time.perf_counter()
    with measured():
        async with asyncio.TaskGroup() as moving:
            for n, person in enumerate(comers):
                if (wait := begun + n * PERIOD_S / len(comers) - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                moving.create_task(scene.move(person))
    await asyncio.sleep(SETTLE_S)
    await scene.leave()
    # A process that ends at once leaves those who went here for a minute, and so into the next round.
    await asyncio.sleep(SETTLE_S)
