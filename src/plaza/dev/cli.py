"""The console script: what production has, and `up` and `dev` for those who work on Plaza."""

from __future__ import annotations

import sys

import click

from plaza.app.cli import asynchronous, cli, runtime_for
from plaza.core.settings import SettingsError


def main() -> None:
    try:
        cli()
    except SettingsError as error:  # some can be told only once the parts are put together
        click.echo(f"plaza: wrong settings\n{error}", err=True)
        sys.exit(2)


@cli.command()
def up() -> None:
    """Run everything here: servers, migrations, demo people, API and worker. Ctrl-C ends it.

    With DATABASE_URL and REDIS_URL it uses those servers, without them it starts PostgreSQL and Valkey on sockets under .plaza/.
    """
    from plaza.core.settings import find_root
    from plaza.dev.plan import plan_of
    from plaza.dev.up import run

    root = find_root()
    if not (root / "alembic.ini").exists():
        click.echo("plaza: run this in a clone of Plaza", err=True)
        sys.exit(1)
    sys.exit(run(root, plan_of))


@cli.group()
def dev() -> None:
    """Tools for those who work on Plaza."""


@dev.command("asvs")
@click.option(
    "--check", is_flag=True, help="Write nothing; exit 1 where an item is not covered or the document is old."
)
def asvs(*, check: bool) -> None:
    """Write docs/asvs.md: which test holds each item of OWASP ASVS."""
    from plaza.core.settings import find_root
    from plaza.dev.asvs import TARGET, UncoveredItems, matrix

    root = find_root()
    try:
        found = matrix(root)
    except UncoveredItems as error:
        click.echo(f"plaza: {error}", err=True)
        sys.exit(1)
    if not check:
        (root / TARGET).write_text(found)
    elif not (root / TARGET).exists() or (root / TARGET).read_text() != found:
        click.echo(f"plaza: {TARGET} is old: run `plaza dev asvs`", err=True)
        sys.exit(1)


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


@dev.command("client")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a file is out of date.")
def client(*, check: bool) -> None:
    """Write the structs of plaza.client from docs/openapi.json and docs/asyncapi.json."""
    from plaza.core.settings import find_root
    from plaza.dev.client import write

    stale = write(find_root(), check=check)
    for path in stale:
        click.echo(f"{'out of date' if check else 'written'}: {path}", err=True)
    if check and stale:
        sys.exit(1)


@dev.command("demo")
@asynchronous
async def demo() -> None:
    """Make the demo people and their conversations, unless they are there."""
    from plaza.dev.demo import make_demo

    async with runtime_for("demo") as runtime:
        _not_in_production(runtime.configuration.plaza.is_production)
        click.echo("demo people made" if await make_demo(runtime) else "demo people stand", err=True)


@dev.command("users")
@click.argument("count", type=click.IntRange(1, 10_000))
@click.option("--conversation", "title", default="Load", show_default=True, help="Title of their group.")
@click.option("--json", "as_json", is_flag=True, help="Print ids and access tokens as one JSON object.")
@asynchronous
async def make_users(count: int, title: str, as_json: bool) -> None:
    """Make COUNT verified people in one new group, for load and for trying things out."""
    import msgspec

    from plaza.dev.demo import make_users as make

    async with runtime_for("demo") as runtime:
        _not_in_production(runtime.configuration.plaza.is_production)
        made = await make(runtime, count, title)
    if as_json:
        click.echo(msgspec.json.encode(made))
    else:
        click.echo(f"{len(made.users)} people in conversation {made.conversation_id}")


@dev.command("revision")
@click.argument("message")
def revision(message: str) -> None:
    """Write the next migration from what the models have and the migrations have not."""
    from plaza.app.migrations import revise, upgrade
    from plaza.dev.embedded import throwaway_servers

    with throwaway_servers() as servers:
        upgrade(servers.urls.database_url)
        revise(servers.urls.database_url, message)


def _not_in_production(is_production: bool) -> None:
    if is_production:
        click.echo("plaza: this is for development; PLAZA_ENV is production", err=True)
        sys.exit(1)
