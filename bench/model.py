"""`python -m bench.model`: random operations on chat against a model of a page, over HTTP and sockets, others in every run.

Every operation's answer, lists, counts, history, log and what sockets were told must be the model's; a program of operations that
differs is printed, and the exit status is 1. The suite makes 2,000 (tests/chat/model).
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from contextlib import ExitStack

from tests.chat.model.machine import OPERATIONS, run_operations
from tests.support.servers import TestServers, prepare_template
from tests.support.stage import Stage

STEPS = 400  # of one program: long enough for conversations to grow old
DRAWN = 1.25  # for each that is made: some find nothing that they could be done to


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.model", description=__doc__)
    parser.add_argument("--operations", type=int, default=20_000)
    options = parser.parse_args()
    with ExitStack() as stack:
        prepare_template(stack)
        servers = stack.enter_context(TestServers("bench"))
        began = time.monotonic()
        tally = asyncio.run(operate(servers, round(options.operations * DRAWN / STEPS)))
    seconds = time.monotonic() - began
    compared = {name: count for name, count in tally.items() if name.startswith("compared")}
    made = sum(count for name, count in tally.items() if name not in compared and name != "refused")
    print(f"{made:,} operations in {seconds:,.0f} s, {tally['refused']:,} of them refused as they should be")
    for name, count in sorted(tally.items()):
        print(f"  {name:24}{count:>9,}")
    print(
        f"{sum(compared.values()):,} comparisons, none of which differed; the kinds of operations were {len(OPERATIONS)}"
    )


async def operate(servers: TestServers, programs: int) -> Counter[str]:
    async with Stage(servers.database_url, servers.redis_url, worker=False) as stage:
        tally = await run_operations(stage, examples=programs, steps=STEPS, derandomize=False)
        stage.raise_internal_errors()
    return tally


if __name__ == "__main__":
    main()
