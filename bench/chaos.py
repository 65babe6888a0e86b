"""Ten minutes of kills: `python -m bench.chaos [--minutes 10] [--seed N]`.

8 people write and 4 read while API, worker, Redis and PostgreSQL are killed with SIGKILL at random and connections are reset. Afterwards
every acknowledged message must be in the log once, and the log of every reader must equal it. Prints the counts; ends with 1 where
something was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from pathlib import Path

from tests.support.chaos import LASTING, Chaos
from tests.support.supervised import Supervised
from tests.support.waiting import eventually


async def run(minutes: float, seed: int) -> None:
    with tempfile.TemporaryDirectory(prefix="plaza-chaos-") as folder:
        installation = Supervised(Path(folder), **LASTING)
        try:
            await eventually(installation.is_healthy, limit_s=120)
            async with Chaos(installation, seed) as chaos:
                await chaos.rage(60 * minutes)
                await chaos.check()
        finally:
            await asyncio.to_thread(installation.stop)
    for name, count in sorted(chaos.counts.items()):
        print(f"| {name} | {count:,} |")
    print("Nothing was lost, doubled or out of order.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    asyncio.run(run(options.minutes, options.seed))


if __name__ == "__main__":
    main()
