"""`make bench`: tables of hot paths, of a storm of logins, and of what strangers can tell; with --save docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench import enumeration, logins
from bench.environment import environment
from bench.hot_paths import CONNECTIONS, history, send
from bench.refresh import refresh

HOT_HEAD = "| path | floor, answers/s | Plaza, answers/s | ratio | p99 | refused |\n|---|---|---|---|---|---|"
PARTS = ("paths", "logins", "enumeration")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each half of a round")
    parser.add_argument("--samples", type=int, default=200, help="of each arm of a comparison")
    parser.add_argument("--save", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    made: dict[str, Callable[[], Iterator[str]]] = {
        "paths": partial(hot_paths, options.rounds, options.seconds),
        "logins": partial(storm, options.rounds, options.seconds),
        "enumeration": partial(strangers, options.samples),
    }
    tables = {part: list(_printed(made[part]())) for part in PARTS if part in options.parts}
    if options.save:
        Path("docs/benchmarks.md").write_text(document(tables, options))


def hot_paths(rounds: int, seconds: float) -> Iterator[str]:
    with environment() as made:
        one = made.group(CONNECTIONS, "One conversation")
        many = made.pairs(64)
        paths = [
            partial(history, made, one),
            partial(send, made, [one], "send over REST, one conversation"),
            partial(send, made, many, "send over REST, 64 conversations"),
            partial(refresh, made, one),
        ]
        yield HOT_HEAD
        for path in paths:
            yield path(rounds, seconds).row()


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
function on the same uvicorn, measured in the same round: the ratio is what to look at.""",
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
