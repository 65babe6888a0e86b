"""What a measurement cost, and so what bounds it: processor time of the API, the database, Redis and the load itself."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class Usage:
    """`shares` of one core by name, once the measurement is over.

    Children of `roots` count with them, unless they have a name of their own.
    """

    def __init__(self, roots: Mapping[str, int]) -> None:
        self.roots = roots
        self.shares: dict[str, float] = {}

    @contextmanager
    def measured(self) -> Iterator[None]:
        before, started = self._seconds(), time.perf_counter()
        yield
        took, after = time.perf_counter() - started, self._seconds()
        self.shares = {name: (after[name] - before[name]) / took for name in self.roots}

    def _seconds(self) -> dict[str, float]:
        """Of processes that end meanwhile nothing is counted: here they do not."""
        parents, used = {}, {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / _TICK
        named = {root: name for name, root in self.roots.items()}
        sums = dict.fromkeys(self.roots, 0.0)
        for pid, seconds in used.items():
            if (name := named.get(pid) or named.get(parents[pid])) is not None:
                sums[name] += seconds
        return sums


def told(measured: Sequence[Mapping[str, float]]) -> str:
    """The busiest first, in per cent of a core; what took next to nothing is left out."""
    shares = {name: statistics.median(each[name] for each in measured) for name in measured[0]}
    busy = sorted(((share, name) for name, share in shares.items() if share >= 0.03), reverse=True)
    return ", ".join(f"{name} {share:.0%}".replace("%", " %") for share, name in busy)


def resident_kib(pid: int) -> int:
    """With what it shares with others: for differences, and quickly had."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB


def memory_kib(pid: int) -> int:
    """Resident, and of what it shares with others its part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError("no Pss in smaps_rollup")
