"""Many sockets of one conversation in the load's process: one of them speaks, all of them listen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

from bench.environment import Person
from bench.hot_paths import TEXT
from bench.websocket import Line, dial, hung_up

_OPENING = 32  # at once
_NEW, _READY, _ERROR = (b'{"type":"%s"' % each for each in (b"message.new", b"ready", b"error"))


def number_of(payload: bytes, before: bytes) -> int:
    """The digits behind `before`."""
    at = payload.index(before) + len(before)
    end = at
    while 48 <= payload[end] <= 57:
        end += 1
    return int(payload[at:end])


def saying(conversation_id: str, number: int, text: str = TEXT) -> bytes:
    """A client's frame; `number` stands in its text and is its ref."""
    return (
        f'{{"type":"message.send","ref":{number},"conversation_id":"{conversation_id}",'
        f'"client_id":"{uuid4()}","content":"#{number} {text}"}}'
    ).encode()


class Crowd:
    """`heard` counts deliveries; while `counting`, each one's time since it was said goes to `latencies`."""

    def __init__(self, text: str = TEXT) -> None:
        self.text = text
        self.lines: list[Line] = []
        self.ready = self.heard = self.said = self.longest = 0
        self.said_at: list[float] = []
        self.latencies: list[float] = []
        self.counting = False
        self.again: Callable[[], None] | None = None

    async def join(
        self,
        port: int,
        path: str,
        people: Sequence[Person],
        *,
        is_greeted: bool = True,
        receive_buffer: int | None = None,
    ) -> list[Line]:
        """Until everybody is live. The first to join is the speaker."""
        first = len(self.lines)
        made: list[Line | None] = [None] * len(people)
        wanted = self.ready + len(people)
        gate = asyncio.Semaphore(_OPENING)

        async def one(n: int, person: Person) -> None:
            async with gate:
                hear = self._hearing(is_speaker=first + n == 0)
                made[n] = await dial(port, path, hear, token=person.access_token, receive_buffer=receive_buffer)

        await asyncio.gather(*(one(n, person) for n, person in enumerate(people)))
        joined = [line for line in made if line is not None]
        self.lines += joined
        if is_greeted:
            await until(lambda: self.ready >= wanted)
        return joined

    async def leave(self) -> None:
        await hung_up(*self.lines)

    def say(self, payload: bytes) -> None:
        self.said += 1
        self.said_at.append(time.perf_counter())
        self.lines[0].say(payload)

    def relayed(self, size: int, conversation_id: str) -> Callable[[], None]:
        """Says the next thing, and again whenever the speaker hears himself. With a `size`, what the floor is to repeat."""

        def next_one() -> None:
            said = saying(conversation_id, self.said, self.text)
            if size:
                said = (b'{"type":"message.new","content":"#%d ' % self.said).ljust(size - 2, b".") + b'"}'
            self.say(said)

        self.again = next_one
        return next_one

    def stop_speaking(self) -> None:
        self.again = None

    async def speak(self, conversation_id: str, per_second: float, seconds: float) -> None:
        """At an even pace, whether it is heard or not."""
        begun = time.perf_counter()
        for n in range(int(per_second * seconds)):
            if (wait := begun + n / per_second - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            self.say(saying(conversation_id, self.said, self.text))

    async def all_heard(self) -> None:
        """Everybody everything."""
        await until(lambda: self.heard >= self.said * len(self.lines))

    def _hearing(self, *, is_speaker: bool) -> Callable[[bytes], None]:
        def hear(payload: bytes) -> None:
            if payload.startswith(_NEW):
                self.heard += 1
                if self.counting:
                    number = number_of(payload, b'"content":"#')
                    self.latencies.append(time.perf_counter() - self.said_at[number])
                if is_speaker:
                    self.longest = max(self.longest, len(payload))
                    if self.again is not None:
                        self.again()
            elif payload.startswith(_READY):
                self.ready += 1
            elif payload.startswith(_ERROR):
                raise RuntimeError(payload.decode())

        return hear


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110 - frames are heard thousands of times between two looks
            await asyncio.sleep(0.01)
