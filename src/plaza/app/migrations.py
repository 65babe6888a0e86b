"""Alembic, driven from Python: the scripts lie in migrations/ beside pyproject.toml."""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

import plaza
from plaza.core.settings import find_root


def config(url: str) -> Config:
    """Raises FileNotFoundError where there is no alembic.ini upwards from here or beside the sources."""
    for root in (find_root(), Path(plaza.__file__).parents[2]):
        if (root / "alembic.ini").exists():
            found = Config(root / "alembic.ini", stdout=sys.stdout)
            found.attributes["url"] = url
            return found
    raise FileNotFoundError("alembic.ini: run this in the folder that holds it")


def upgrade(url: str, revision: str = "head", *, sql: bool = False) -> None:
    command.upgrade(config(url), revision, sql=sql)


def check(url: str) -> None:
    """Raises alembic.util.CommandError where the models and the migrations differ."""
    command.check(config(url))


def revise(url: str, message: str) -> None:
    """Writes the next migration from what differs."""
    command.revision(config(url), message, autogenerate=True)
