"""A storm of logins is shed while everything else stays fast; a refresh against its bare SQL.

Every login comes from an address of its own (X-Forwarded-For, as a trusted proxy tells it), so that what sheds the storm is the queue of
the argon2 threads and no limit per address.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, cycle

import asyncpg
import msgspec
import uvloop
from argon2 import PasswordHasher, Type

from bench.environment import Environment, Group
from bench.load import request
from bench.offered import Offered, offer
from plaza.core.db.listener import connect_arguments

PASSWORD = "correct horse battery staple"  # noqa: S105 - nobody's
OFFERED_LOGINS, OFFERED_GETS = 500, 30
THREADS = 2  # as many as PLAZA_IDENTITY_HASH_THREADS
_ARGON2 = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)


STORM_HEAD = "| | bare, idle | Plaza | ratio | wanted |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Round:
    """`hashes` per second of the bare library; `idle` and `busy` are the GETs without and during the storm."""

    hashes: float
    idle: Offered
    busy: Offered
    storm: Offered

    @property
    def served(self) -> float:
        return self.storm.per_second(200) / self.hashes

    @property
    def slowdown(self) -> float:
        return self.busy.percentile(0.99) / self.idle.percentile(0.99)


@dataclass(frozen=True)
class Storm:
    rounds: list[Round]

    def rows(self) -> list[str]:
        def median(of: Callable[[Round], float]) -> float:
            return statistics.median(of(each) for each in self.rounds)

        hashes, served = median(lambda r: r.hashes), median(lambda r: r.storm.per_second(200))
        idle, busy = median(lambda r: r.idle.percentile(0.99)), median(lambda r: r.busy.percentile(0.99))
        shed = sum(each.storm.statuses[429] for each in self.rounds)
        unannounced = sum(each.storm.unannounced for each in self.rounds)
        others = {
            status: sum(each.storm.statuses[status] for each in self.rounds)
            for status in sorted(set().union(*(each.storm.statuses for each in self.rounds)) - {200, 429})
        }
        rows = (
            (f"logins served of {OFFERED_LOGINS}/s offered", f"{hashes:.1f}/s", f"{served:.1f}/s", "at least 0.6"),
            ("p99 of GETs", f"{idle * 1000:.1f} ms", f"{busy * 1000:.1f} ms", "under 3"),
        )
        ratios = (median(lambda r: r.served), median(lambda r: r.slowdown))
        measured = [
            f"| {name} | {bare} | {ours} | {ratio:.2f} | {wanted} |"
            for (name, bare, ours, wanted), ratio in zip(rows, ratios, strict=True)
        ]
        return [
            *measured,
            f"| logins shed with 429, of them without Retry-After | | {shed}, {unannounced} | | none |",
            f"| any other answer to a login | | {others or 'none'} | | none |",
        ]


def storm(environment: Environment, groups: list[Group], rounds: int, seconds: float) -> Storm:
    """As many people as to be nobody's own failed tries: all of them know their password."""
    emails = [person.email for group in groups for person in group.people]
    set_password(environment.database_url, emails)
    return Storm([_round(environment, groups[0], emails, seconds) for _ in range(rounds)])


def _round(environment: Environment, group: Group, emails: list[str], seconds: float) -> Round:
    """The bare hashes are counted right before the storm and right after it: the machine itself is faster in one minute than in another."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        gets = _gets(group)
        idle = runner.run(offer(environment.api_port, gets, per_second=OFFERED_GETS, seconds=seconds))

        async def both() -> tuple[Offered, Offered]:
            logins = offer(environment.api_port, _logins(emails), per_second=OFFERED_LOGINS, seconds=seconds)
            others = offer(environment.api_port, gets, per_second=OFFERED_GETS, seconds=seconds)
            given = await asyncio.gather(logins, others)
            return given[0], given[1]

        before = bare_hashes(seconds / 2)
        stormed, busy = runner.run(both())
        after = bare_hashes(seconds / 2)
    return Round((before + after) / 2, idle, busy, stormed)


def bare_hashes(seconds: float) -> float:
    """Per second: passwords that argon2 verifies in as many threads, and nothing else."""
    hashed = _ARGON2.hash(PASSWORD)
    ends_at = time.perf_counter() + seconds

    def work(_: int) -> int:
        done = 0
        while time.perf_counter() < ends_at:
            _ARGON2.verify(hashed, PASSWORD)
            done += 1
        return done

    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        done = sum(threads.map(work, range(THREADS)))
    return done / (time.perf_counter() - begun)


def set_password(database_url: str, emails: list[str]) -> None:
    """PASSWORD, for people who have logged in before, with the device that the load shows: it names none."""
    hashed = _ARGON2.hash(PASSWORD)

    async def store() -> None:
        connection = await asyncpg.connect(**connect_arguments(database_url))
        try:
            statement = "update identity_user set password_hash = $1, last_login_at = now() where email = any($2)"
            await connection.execute(statement, hashed, emails)
            await connection.execute(
                "update identity_session s set user_agent = '' from identity_user u where u.id = s.user_id and u.email = any($1)",
                emails,
            )
        finally:
            await connection.close()

    asyncio.run(store())


def from_address(number: int, request: bytes) -> bytes:
    """As a proxy hands it on, each time from somebody else."""
    header = f"X-Forwarded-For: 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\r\n"
    line, _, rest = request.partition(b"\r\n")
    return line + b"\r\n" + header.encode() + rest


def _logins(emails: list[str]) -> Callable[[], bytes]:
    turns = zip(count(), cycle(emails))

    def make() -> bytes:
        turn, email = next(turns)
        body = msgspec.json.encode({"identifier": email, "password": PASSWORD})
        return from_address(turn, request("POST", "/api/v1/auth/login", body))

    return make


def _gets(group: Group) -> Callable[[], bytes]:
    token, conversation = group.people[0].access_token, group.conversation_id
    paths = ("/api/v1/auth/user", "/api/v1/chat/conversations", f"/api/v1/chat/conversations/{conversation}/messages")
    turns = cycle([request("GET", path, token=token) for path in paths])
    return lambda: next(turns)
