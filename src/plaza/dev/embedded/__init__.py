"""PostgreSQL 18 and Valkey from wheels, on Unix sockets, without a port, a system user or a right that nobody asked for.

    with throwaway_servers() as servers:            # tests and tools: fast, in memory, gone afterwards
        servers.urls.database_url, servers.urls.redis_url

    EmbeddedServers(root / ".plaza").start()        # data that stays, fsync on

A server dies with the thread that started it, so that no SIGKILL leaves one behind; where the kernel cannot promise that, the next
start ends it. Nothing here restarts a server by itself: `plaza up` does.
"""

from plaza.dev.embedded.binaries import ServersUnavailable
from plaza.dev.embedded.postgres import Postgres
from plaza.dev.embedded.servers import EmbeddedServers, ServerUrls, running
from plaza.dev.embedded.throwaway import throwaway_folder, throwaway_servers
from plaza.dev.embedded.valkey import Valkey
from plaza.dev.processes import StartFailed

__all__ = [
    "EmbeddedServers",
    "Postgres",
    "ServerUrls",
    "ServersUnavailable",
    "StartFailed",
    "Valkey",
    "running",
    "throwaway_folder",
    "throwaway_servers",
]
