"""What `plaza up` runs, from the settings of this clone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from plaza.app.demo import DEMO_PASSWORD, DEMO_PEOPLE
from plaza.core.settings import Environment, PlazaSettings
from plaza.dev.embedded import ServerUrls
from plaza.dev.up import CannotStart, Command, Plan


def plan_of(root: Path) -> Plan:
    """Raises CannotStart for a wrong setting. The children read all settings themselves and name what else is wrong."""
    environment = Environment.of_process(root)
    settings = environment.section("", PlazaSettings)
    if settings is None:
        raise CannotStart("wrong settings\n" + "\n".join(environment.wrong))
    return Plan(
        root=root,
        host=settings.host,
        port=settings.port,
        urls=_given_urls(settings),
        preparations=[Command("migrate", _plaza("migrate"), "migrating the database")],
        seeding=Command("demo", _plaza("dev", "demo"), "making demo people and conversations, unless they are there"),
        programs=[Command("api", _plaza("serve")), Command("worker", _plaza("worker"))],
        welcome=_welcome(settings.base_url),
        drain_s=settings.drain_s,
    )


def _given_urls(settings: PlazaSettings) -> ServerUrls | None:
    given = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    missing = [name for name, url in given.items() if not url]
    if len(missing) == 1:
        other = next(name for name in given if name not in missing)
        raise CannotStart(
            f"{other} is set and {missing[0]} is not: set both to use your servers, or neither to have them started here"
        )
    return None if missing else ServerUrls(settings.database_url, settings.redis_url)


def _plaza(*words: str) -> list[str]:
    """The console script beside this interpreter, by way of the interpreter: a path can be too long for its first line."""
    return [sys.executable, os.fspath(Path(sys.executable).with_name("plaza")), *words]


def _welcome(base_url: str) -> str:
    people = "\n".join(f"    {address:<24} {name}" for address, name in DEMO_PEOPLE)
    return f"""
  Plaza runs at {base_url}

  Log in there as one of these, with the password "{DEMO_PASSWORD}":
{people}
  or sign up: the mail with your code is at {base_url}/dev/outbox

  Ctrl-C ends everything.

"""
