"""The console script: what production has, and `up` and `dev` for those who work on Plaza."""

from __future__ import annotations

import sys

import click

from plaza.app.cli import cli


def main() -> None:
    cli()


@cli.command()
def up() -> None:
    """Run everything here: servers, migrations, demo people, API and worker. Ctrl-C ends it.

    With DATABASE_URL and REDIS_URL it uses those servers, without them it starts PostgreSQL and Valkey on sockets under .plaza/.
    """
    from plaza.core.settings import find_root
    from plaza.dev.plan import plan_of
    from plaza.dev.up import run

    sys.exit(run(find_root(), plan_of))


@cli.group()
def dev() -> None:
    """Tools for those who work on Plaza."""


@dev.command("check-migrations")
def check_migrations() -> None:
    """Build an empty database by the migrations and exit 1 where the models want another one."""
    from alembic.util import CommandError

    from plaza.app.migrations import check, upgrade
    from plaza.dev.embedded import ServersUnavailable, StartFailed, throwaway_servers

    try:
        with throwaway_servers() as servers:
            upgrade(servers.urls.database_url)
            check(servers.urls.database_url)
    except (CommandError, ServersUnavailable, StartFailed) as error:
        click.echo(f"plaza: {error}", err=True)
        sys.exit(1)
