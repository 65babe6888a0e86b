"""The console script in processes of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.support.forked import ForkedPlaza
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's own, in which `variables` are all settings there are."""
    settings = ("PLAZA_", "DATABASE_URL", "REDIS_URL")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(settings)}, **variables}


class CommandLine:
    """In a folder whose settings are `variables`: those of the clone stay out."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.variables = variables
        (folder / ".env").touch()  # the mark of a deployment's folder

    async def __call__(self, *words: str, **variables: str) -> Ended:
        """`plaza` with these words."""
        out, err = (self.folder / f".{uuid4().hex}.{name}" for name in ("out", "err"))
        given = environment(self.variables | variables)
        process = ForkedPlaza(words, folder=self.folder, environment=given, out=out, err=err)
        await eventually(process.has_ended)
        return Ended(process.wait(), out.read_text(), err.read_text())

    async def python(self, *words: str, reads: str = "", **variables: str) -> Ended:
        """Another program, with this on its standard input."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *words),
            cwd=self.folder,
            env=environment(self.variables | variables),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )
        out, err = await process.communicate(reads.encode())
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())
