"""The command line. Results go to stdout, everything else to stderr; a refusal exits 1 with its code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from plaza.core.result import DomainError
from plaza.core.settings import Environment, SettingsError

P = ParamSpec("P")
T = TypeVar("T")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plaza")
def cli() -> None:
    """Plaza: one backend for products where people meet, talk, pay and trade."""


def configured(process: str) -> Any:
    """The configuration, with logging set up; a wrong setting ends the program with its name."""
    from plaza.app.configuration import load
    from plaza.core.telemetry.logging import LoggingSettings, configure_logging

    try:
        configuration = load()
    except SettingsError as error:
        click.echo(f"plaza: wrong settings\n{error}", err=True)
        sys.exit(2)
    configure_logging(configuration[LoggingSettings], process)
    return configuration


@asynccontextmanager
async def runtime_for(process: str = "cli") -> AsyncIterator[Any]:
    from plaza.app.runtime import Runtime

    runtime = Runtime(configured(process), process)
    try:
        yield runtime
    finally:
        await runtime.close()


def asynchronous(fn: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """A command that is a coroutine; its refusals and lost servers are told in a line."""

    @wraps(fn)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        from plaza.core.db import is_lost_server

        async def main() -> T:
            return await fn(*args, **kwargs)

        try:
            return asyncio.run(main())
        except DomainError as error:
            click.echo(f"{error.code}: {error.detail}", err=True)
            sys.exit(1)
        except Exception as error:
            if not is_lost_server(error):
                raise
            click.echo(
                f"plaza: PostgreSQL does not answer ({error.__class__.__name__}). Is `plaza up` running?", err=True
            )
            sys.exit(1)

    return run


@cli.command()
def serve() -> None:
    """Run the API on PLAZA_HOST and PLAZA_PORT."""
    from plaza.app.server import build

    build(configured("api")).run()


@cli.command()
def worker() -> None:
    """Run the worker: jobs, event handlers, crons."""
    import uvloop

    from plaza.app.probes import probes
    from plaza.app.runtime import Runtime
    from plaza.core.jobs import JobWorker

    configuration = configured("worker")

    async def main() -> None:
        runtime = Runtime(configuration, "worker")
        worker = JobWorker(runtime.jobs)
        async with runtime.running("worker"), probes(runtime):
            await worker.run()

    uvloop.run(main())


@cli.command()
@click.argument("revision", default="head")
@click.option("--sql", is_flag=True, help="Print the SQL instead of running it.")
def migrate(revision: str, sql: bool) -> None:
    """Bring the database to REVISION (head)."""
    from plaza.app.migrations import database_url, upgrade
    from plaza.core.telemetry.logging import LoggingSettings, configure_logging

    environment = Environment.of_process()
    try:
        url = database_url(environment)
    except SettingsError as error:
        click.echo(f"plaza: wrong settings\n{error}", err=True)
        sys.exit(2)
    configure_logging(environment.section("log", LoggingSettings) or LoggingSettings(), "migrate")
    upgrade(url, revision, sql=sql)


@cli.group()
def users() -> None:
    """People."""


@users.command("create")
@click.option("--email", required=True)
@click.option("--password", required=True)
@click.option("--name", "display_name", default=None, help="Display name.")
@click.option("--staff", is_flag=True)
@click.option("--superuser", is_flag=True)
@asynchronous
async def create_user(email: str, password: str, display_name: str | None, staff: bool, superuser: bool) -> None:
    """Make a verified, active user and print the id."""
    from plaza.identity import UserService

    async with runtime_for() as runtime:
        made = await runtime.parts[UserService].create(
            email, password, display_name=display_name, is_staff=staff or superuser, is_superuser=superuser
        )
        click.echo(made.unwrap().id)


@cli.group()
def keys() -> None:
    """Signing keys of access tokens."""


@keys.command("rotate")
@asynchronous
async def rotate_keys() -> None:
    """Make a new signing key and print its id; tokens of the old one stay good until they expire."""
    from plaza.identity import KeyService

    async with runtime_for() as runtime:
        click.echo((await runtime.parts[KeyService].rotate()).unwrap())


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from plaza.app.documents import openapi_json

    click.echo(openapi_json(), nl=False)


@cli.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a file is out of date.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("docs"))
def docs(check: bool, folder: Path) -> None:
    """Write the generated documents: contexts, errors, events, settings, openapi.json."""
    from plaza.app.documents import write

    stale = write(folder, check=check)
    for path in stale:
        click.echo(f"{'out of date' if check else 'written'}: {path}", err=True)
    if check and stale:
        sys.exit(1)
