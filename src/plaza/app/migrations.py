"""Alembic, driven from Python: the scripts lie in migrations/ beside pyproject.toml.

Upgrading loads no model: a start that has nothing to migrate costs a third of what it would with them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

import plaza
from plaza.core.settings import Environment, PlazaSettings, SettingsError, find_root


def config(url: str) -> Config:
    """Raises FileNotFoundError where there is no alembic.ini upwards from here or beside the sources."""
    for root in (find_root(), Path(plaza.__file__).parents[2]):
        if (root / "alembic.ini").exists():
            found = Config(root / "alembic.ini", stdout=sys.stdout)
            found.attributes["url"] = url
            return found
    raise FileNotFoundError("alembic.ini: run this in the folder that holds it")


def database_url(environment: Environment) -> str:
    """Raises SettingsError for what was wrong so far. Of all settings only the nameless section is read."""
    settings = environment.section("", PlazaSettings)
    if settings is None or environment.wrong:
        raise SettingsError("\n".join(environment.wrong))
    if not settings.database_url:
        raise SettingsError("DATABASE_URL is not set: name a PostgreSQL server, or start one with `plaza up`")
    return settings.database_url


def upgrade(url: str, revision: str = "head", *, sql: bool = False) -> None:
    command.upgrade(config(url), revision, sql=sql)


def check(url: str) -> None:
    """Raises alembic.util.CommandError where the models and the migrations differ."""
    command.check(_with_models(config(url)))


def revise(url: str, message: str) -> None:
    """Writes the next migration from what differs."""
    command.revision(_with_models(config(url)), message, autogenerate=True)


def _with_models(config: Config) -> Config:
    from plaza.app.registry import metadata

    config.attributes["metadata"] = metadata
    return config
