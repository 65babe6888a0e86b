"""`make bench`: the table of hot paths, and with --save docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import platform
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench.environment import environment
from bench.hot_paths import CONNECTIONS, history, send

HEAD = "| path | floor, answers/s | Plaza, answers/s | ratio | p99 | refused |\n|---|---|---|---|---|---|"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each half of a round")
    parser.add_argument("--save", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    with environment() as made:
        one = made.group(CONNECTIONS, "One conversation")
        many = made.pairs(64)
        paths = [
            partial(history, made, one),
            partial(send, made, [one], "send over REST, one conversation"),
            partial(send, made, many, "send over REST, 64 conversations"),
        ]
        print(HEAD, flush=True)
        rows = []
        for path in paths:
            rows.append(path(options.rounds, options.seconds).row())
            print(rows[-1], flush=True)
    if options.save:
        Path("docs/benchmarks.md").write_text(document(rows, options.rounds, options.seconds))


def document(rows: list[str], rounds: int, seconds: float) -> str:
    return (
        f"""# Benchmarks

Written by `make bench` with `--save` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {platform.system()}, Python
{platform.python_version()}, {CONNECTIONS} connections, the median of {rounds} alternated rounds of {seconds:g} s. PostgreSQL with fsync,
one API process with the whole chain on (limits, metrics, ids, a log line a request); load, API and database share the cores.
The floor is the same SQL over bare asyncpg behind a bare ASGI function on the same uvicorn, measured in the same round: the
ratio is what to look at.

{HEAD}
"""
        + "\n".join(rows)
        + "\n"
    )


if __name__ == "__main__":
    main()
