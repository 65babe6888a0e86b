"""All settings of the program: core's sections and one per context that declares some."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from plaza.app.registry import CONTEXTS
from plaza.core.db import DatabaseSettings
from plaza.core.jobs import JobSettings
from plaza.core.ratelimit import RateLimitSettings
from plaza.core.realtime import RealtimeSettings
from plaza.core.settings import Environment, PlazaSettings, SettingsError
from plaza.core.storage import StorageSettings
from plaza.core.telemetry.logging import LoggingSettings

S = TypeVar("S", bound=msgspec.Struct)

SECTIONS: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("", PlazaSettings),
    ("database", DatabaseSettings),
    ("rate_limit", RateLimitSettings),
    ("jobs", JobSettings),
    ("realtime", RealtimeSettings),
    ("storage", StorageSettings),
    ("log", LoggingSettings),
    *((context.name, context.settings) for context in CONTEXTS if context.settings is not None),
)


class Configuration:
    """One frozen struct per section, found by its type."""

    def __init__(self, sections: dict[type[msgspec.Struct], msgspec.Struct]) -> None:
        self.sections = sections

    def __getitem__(self, kind: type[S]) -> S:
        section = self.sections[kind]
        assert isinstance(section, kind)
        return section

    @property
    def plaza(self) -> PlazaSettings:
        return self[PlazaSettings]

    def replaced(self, *sections: msgspec.Struct) -> Configuration:
        return Configuration({**self.sections, **{type(each): each for each in sections}})


def load(environment: Environment | None = None, root: Path | None = None) -> Configuration:
    """Raises SettingsError that names every wrong variable."""
    environment = environment or Environment.of_process(root)
    sections = {kind: section for name, kind in SECTIONS if (section := environment.section(name, kind)) is not None}
    environment.finish()
    configuration = Configuration(sections)
    for url, what in (("database_url", "PostgreSQL"), ("redis_url", "Redis")):
        if not getattr(configuration.plaza, url):
            raise SettingsError(f"{url.upper()} is not set: name a {what} server, or start one with `plaza up`")
    if configuration.plaza.is_production and not configuration[RateLimitSettings].enabled:
        raise SettingsError("PLAZA_RATE_LIMIT_ENABLED=false is refused in production")
    return configuration
