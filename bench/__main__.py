"""`make bench`: tables of what Plaza costs, next to floors of the same run; with --save docs/benchmarks.md.

    paths         requests that come all the time: history, sending, refresh
    sockets       two people talking, fan-out to 200 sockets, and how long it takes to reach them
    idle          memory of open sockets
    presence      people coming and going before those who watch them
    slow          readers that stop reading
    search        in a million messages of six scripts (--messages)
    logins        a storm of them
    enumeration   what strangers can tell

`make bench ARGS="sockets idle --rounds 3"` measures some of it. A column tells how much of a core each process took meanwhile: what is
near 100 % bounds the figure, unless all together have used up the machine.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench import enumeration, hot_paths, idle, logins, presence, search, slow_readers, sockets
from bench.environment import environment
from bench.hot_paths import CONNECTIONS, history, send
from bench.refresh import refresh

PARTS = ("paths", "sockets", "idle", "presence", "slow", "search", "logins", "enumeration")
FEW_ROUNDS = 3  # of what takes long


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=PARTS, help="all of them, unless some are named")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each half of a round")
    parser.add_argument("--samples", type=int, default=200, help="of each arm of a comparison")
    parser.add_argument("--messages", type=int, default=1_000_000, help="to search in")
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--save", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    few = min(options.rounds, FEW_ROUNDS)
    made: dict[str, Callable[[], Iterator[str]]] = {
        "paths": partial(paths, options.rounds, options.seconds),
        "sockets": partial(talking, options.rounds, options.seconds),
        "idle": partial(waiting, options.rounds),
        "presence": partial(coming_and_going, few),
        "slow": partial(stalled, few),
        "search": partial(searching, options.messages, options.searches),
        "logins": partial(storm, options.rounds, options.seconds),
        "enumeration": partial(strangers, options.samples),
    }
    tables = {part: list(_printed(made[part]())) for part in PARTS if part in options.parts}
    if options.save:
        Path("docs/benchmarks.md").write_text(document(tables, options))


def paths(rounds: int, seconds: float) -> Iterator[str]:
    with environment() as made:
        one = made.group(CONNECTIONS, "One conversation")
        many = made.pairs(64)
        yield hot_paths.HEAD
        for path in (
            partial(history, made, one),
            partial(send, made, [one], "send over REST, one conversation", 2.0),
            partial(send, made, many, "send over REST, 64 conversations", 0.6),
            partial(refresh, made, one),
        ):
            yield path(rounds, seconds).row()


def talking(rounds: int, seconds: float) -> Iterator[str]:
    with environment() as made:
        (pair,) = made.pairs(1)
        many = made.group(sockets.SOCKETS, "Everybody")
        yield hot_paths.HEAD
        yield sockets.talk(made, pair, rounds, seconds).row()
        yield sockets.fan_out(made, many, rounds, seconds).row()
        yield ""
        yield sockets.LATENCY_HEAD
        yield sockets.latency(made, many, rounds, seconds)


def waiting(rounds: int) -> Iterator[str]:
    with environment() as made:
        group = made.group(500, "Everybody")
        yield idle.HEAD
        yield idle.idle(made, group, rounds)


def coming_and_going(rounds: int) -> Iterator[str]:
    with environment(**presence.LARGER_GROUPS) as made:
        size = presence.COMERS + presence.WATCHERS
        groups = [made.group(size, f"Group {n}") for n in range(presence.GROUPS)]
        yield presence.HEAD
        yield presence.presence(made, groups, rounds)


def stalled(rounds: int) -> Iterator[str]:
    with environment() as made:
        group = made.group(500, "Everybody")
        yield slow_readers.HEAD
        yield slow_readers.slow_readers(made, group, rounds)


def searching(messages: int, searches: int) -> Iterator[str]:
    with environment() as made:
        yield from search.search(made, messages, searches)


def storm(rounds: int, seconds: float) -> Iterator[str]:
    with environment() as made:
        groups = [made.group(200, f"Crowd {n}") for n in range(3)]
        yield logins.STORM_HEAD
        yield from logins.storm(made, groups, rounds, seconds).rows()


def strangers(samples: int) -> Iterator[str]:
    with environment(**enumeration.LIFTED) as made:
        yield enumeration.HEAD
        for arms in enumeration.enumeration(made, samples):
            yield arms.row()


def _printed(rows: Iterator[str]) -> Iterator[str]:
    for row in rows:
        print(row, flush=True)
        yield row


def document(tables: dict[str, list[str]], options: argparse.Namespace) -> str:
    rounds = f"{options.rounds} rounds of {options.seconds:g} s"
    said = {
        "paths": f"""## Hot paths

{CONNECTIONS} connections, the median of {rounds} alternated. The floor is the same SQL over bare asyncpg behind a bare ASGI
function on the same uvicorn, measured in the same round: the ratio is what to look at. The last column tells what bounds it.""",
        "sockets": f"""## Sockets

The median of {rounds} alternated. The floor of two people is the same insert over bare asyncpg, a commit each, pushed by a bare ASGI
function on the same server; that of fan-out (deliveries of all sockets together) are hand-framed bytes written to as many transports.""",
        "idle": """## Memory of idle sockets

Of the API process (Pss), one group of people with ten sockets each, without a frame.""",
        "presence": f"""## Presence

Processor time of the API process over {presence.PERIOD_S} s, with PLAZA_CHAT_PRESENCE off and on.""",
        "slow": f"""## Slow readers

{slow_readers.PACE} messages of {len(slow_readers.TEXT):,} characters a second; some readers stop reading until they are closed, and then
resume.""",
        "search": f"""## Search

In {options.messages:,} messages of six scripts; each needle is asked over HTTP, one after the other, and compared with LIKE.""",
        "logins": f"""## A storm of logins

{logins.OFFERED_LOGINS} logins/s with the right password, each from an address of its own, beside {logins.OFFERED_GETS} GETs/s by
somebody who is signed in; the median of {rounds}, each of bare argon2 in {logins.THREADS} threads, of the GETs alone, and of both.""",
        "enumeration": f"""## What a stranger can tell

Medians of {options.samples} samples of each arm, in turns: an address that has an account, and one that has none. Wanted: within 10 %, with
the same status and body.""",
    }
    parts = "\n\n".join(f"{said[part]}\n\n" + "\n".join(rows) for part, rows in tables.items())
    place = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"""# Benchmarks

Written by `make bench` with `--save` on {datetime.now(UTC):%Y-%m-%d}: {place}.
PostgreSQL with fsync, one API process with the whole chain on (limits, metrics, ids, a log line a request); load, API and
database share the cores.

{parts}
"""


if __name__ == "__main__":
    main()
