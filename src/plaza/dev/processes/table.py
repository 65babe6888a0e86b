"""The machine's process table, to find what an earlier supervisor left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def command_lines() -> Iterator[tuple[int, str]]:
    """(pid, command line with its words joined by a space) of every other process that this user may see."""
    found = _from_proc() if sys.platform == "linux" else _from_ps()
    return (each for each in found if each[0] != os.getpid())


def _from_proc() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:  # it ended meanwhile
                continue
            yield int(entry.name), os.fsdecode(words.replace(b"\0", b" ")).rstrip()


def _from_ps() -> Iterator[tuple[int, str]]:
    """macOS has no /proc, and its kernel no parent-death signal: there this scan is what ends the orphans."""
    listing = subprocess.run(["/bin/ps", "-axww", "-o", "pid=,command="], capture_output=True, check=True)
    for line in os.fsdecode(listing.stdout).splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command.strip()
