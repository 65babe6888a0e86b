"""`plaza up` in a folder of its own, whose children can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.tls import TLS

REPOSITORY = Path(__file__).parents[2]


class Supervised:
    """`children` are what the supervisor's children are called in the process table."""

    children = {"API": "plaza serve", "worker": "plaza worker", "Redis": "valkey-server", "PostgreSQL": "postgres -D"}

    def __init__(self, root: Path, **variables: str) -> None:
        for name in ("pyproject.toml", "alembic.ini", "migrations"):
            (root / name).symlink_to(REPOSITORY / name)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port: int = listening.getsockname()[1]
        self.log = (root / "up.log").open("wb")
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PLAZA_", "DATABASE_", "REDIS_"))
        }
        environment = {
            **kept,
            "PLAZA_PORT": str(self.port),
            "PLAZA_RATE_LIMIT_ENABLED": "false",
            "PLAZA_DRAIN_S": "2",
            **variables,
        }
        plaza = Path(sys.executable).with_name("plaza")
        self.up = subprocess.Popen(
            [sys.executable, plaza, "up"],
            cwd=root,
            env=environment,
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
        )

    def kill(self, name: str) -> bool:
        """SIGKILL, unless it is dead already. `name` as in `children`."""
        pid = self._child(self.children[name])
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        return pid is not None

    async def is_healthy(self) -> bool:
        """All children run, and the API says that it is well."""
        assert self.up.poll() is None, "plaza up has ended"
        if any(self._child(command) is None for command in self.children.values()):
            return False
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=2, verify=TLS) as client:
                return bool((await client.get("/health")).json()["status"] == "ok")
        except (httpx.HTTPError, json.JSONDecodeError, KeyError):
            return False

    def stop(self) -> None:
        self.up.send_signal(signal.SIGINT)
        self.up.wait(60)
        self.log.close()

    def _child(self, command: str) -> int | None:
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.up.pid and command in words:
                    return int(entry.name)
        return None
