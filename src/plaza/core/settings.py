"""Settings: read once at start from the environment, `.env` and (below both) what a running `plaza up` offers.

Every section is a frozen struct with defaults; a field `lock_timeout_ms` of section `database` is PLAZA_DATABASE_LOCK_TIMEOUT_MS.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from dotenv import dotenv_values

S = TypeVar("S", bound=msgspec.Struct)

DEVELOPMENT_SECRET = "development-only-secret-do-not-use-in-production"  # noqa: S105 - refused in production
SERVERS_FILE = ".plaza/servers.env"
DATABASE_SCHEME = "postgresql+asyncpg://"
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


class SettingsError(Exception):
    """Names every wrong variable, a line each."""


class PlazaSettings(msgspec.Struct, frozen=True):
    """The section without a name: PLAZA_ENV, PLAZA_PORT and so on. DATABASE_URL and REDIS_URL go without the prefix."""

    env: Literal["development", "test", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = 8000
    worker_port: int = 0  # where a worker answers /health and /metrics; 0 is nowhere
    public_url: str = ""
    secret_key: str = DEVELOPMENT_SECRET
    secret_key_fallbacks: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    metrics_token: str = ""
    request_deadline_s: float = 30
    drain_s: float = 10
    sentry_dsn: str = ""
    otlp_endpoint: str = ""
    database_url: str = ""
    redis_url: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError("port must lie between 1 and 65535")
        if not 0 <= self.worker_port < 65536 or self.worker_port == self.port:
            raise ValueError("worker_port must lie between 1 and 65535 and differ from PLAZA_PORT, or be 0")
        if self.database_url and not self.database_url.startswith(DATABASE_SCHEME):
            raise ValueError(f"database_url must begin with {DATABASE_SCHEME}")
        if self.redis_url and not self.redis_url.startswith(_REDIS_SCHEMES):
            raise ValueError(f"redis_url must begin with {', '.join(_REDIS_SCHEMES)}")
        if self.env == "production":
            if self.secret_key == DEVELOPMENT_SECRET or len(self.secret_key) < 32:
                raise ValueError("secret_key must be set to at least 32 random characters in production")
            if not self.public_url.startswith("https://"):
                raise ValueError("public_url must be the https:// address of this service in production")

    @property
    def is_production(self) -> bool:
        return self.env == "production"

    @property
    def issuer(self) -> str:
        """Of tokens: the same for every process of an installation, whatever port it listens on."""
        return self.public_url.rstrip("/") or "http://localhost"

    @property
    def base_url(self) -> str:
        """Where people reach Plaza, without a trailing slash."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")


class Environment:
    """The variables of one process, and which of them some section has read."""

    UNPREFIXED = ("DATABASE_URL", "REDIS_URL")

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = {
            name: value for name, value in variables.items() if name.startswith("PLAZA_") or name in self.UNPREFIXED
        }
        self.known: set[str] = set()
        self.wrong: list[str] = []

    @classmethod
    def of_process(cls, root: Path | None = None) -> Environment:
        root = root or find_root()
        layers: list[Mapping[str, str | None]] = [
            dotenv_values(root / SERVERS_FILE),
            dotenv_values(root / ".env"),
            os.environ,
        ]
        return cls({name: value for layer in layers for name, value in layer.items() if value is not None})

    def section(self, name: str, kind: type[S]) -> S | None:
        """None where a value is wrong: it is then named by `finish`."""
        given: dict[str, Any] = {}
        for field in msgspec.structs.fields(kind):
            variable = variable_of(name, field.name)
            self.known.add(variable)
            if (raw := self.variables.get(variable)) is not None and (raw != "" or field.type is str):
                is_list = getattr(field.type, "__origin__", None) is tuple
                given[field.name] = [part.strip() for part in raw.split(",") if part.strip()] if is_list else raw
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            self.wrong.append(_explain(name, kind, given, str(error)))
            return None

    def finish(self) -> None:
        """Raises SettingsError for wrong values and for PLAZA_ variables that nobody reads."""
        unknown = sorted(set(self.variables) - self.known)
        for variable in unknown:
            near = difflib.get_close_matches(variable, self.known, 1)
            self.wrong.append(f"{variable} is not a setting" + (f": did you mean {near[0]}?" if near else ""))
        if self.wrong:
            raise SettingsError("\n".join(self.wrong))


def variable_of(section: str, field: str) -> str:
    if not section and field.upper() in Environment.UNPREFIXED:
        return field.upper()
    return "_".join(part.upper() for part in ("plaza", section, field) if part)


def find_root(start: Path | None = None) -> Path:
    """The clone or the deployment's folder: the nearest one upwards with a pyproject.toml, a .plaza or a .env, else the clone that runs."""
    start = start or Path.cwd()
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in ("pyproject.toml", ".plaza", ".env")):
            return folder
    source = Path(__file__).parents[3]  # above src/, where the installation is editable
    return source if (source / "pyproject.toml").exists() else start


def describe(sections: Iterable[tuple[str, type[msgspec.Struct]]]) -> list[tuple[str, str, str]]:
    """(variable, type, default) of every setting, for the documentation."""
    rows = []
    for name, kind in sections:
        for field in msgspec.structs.fields(kind):
            default = "" if field.default is msgspec.NODEFAULT else field.default
            shown = (
                ",".join(default)
                if isinstance(default, tuple)
                else str(default).lower()
                if isinstance(default, bool)
                else str(default)
            )
            rows.append((variable_of(name, field.name), _type_name(field.type), shown))
    return rows


def _type_name(kind: Any) -> str:
    if getattr(kind, "__origin__", None) is tuple:
        return "list, comma-separated"
    if getattr(kind, "__origin__", None) is Literal:
        return " | ".join(kind.__args__)
    return str(getattr(kind, "__name__", kind))


def _explain(section: str, kind: type[msgspec.Struct], given: Mapping[str, Any], message: str) -> str:
    for field in msgspec.structs.fields(kind):
        if f"`$.{field.name}" in message:
            return f"{variable_of(section, field.name)}={given[field.name]!r}: {message.split(' - at ')[0]}"
    for field in sorted(msgspec.structs.fields(kind), key=lambda each: -len(each.name)):
        if message.startswith(field.name):
            return f"{variable_of(section, field.name)}: {message}"
    return f"{variable_of(section, '*')}: {message}"
