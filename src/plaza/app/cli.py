"""The command line. Results go to stdout, everything else to stderr; a refusal exits 1 with its code, a wrong setting 2 with its name."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from plaza.core.result import DomainError
from plaza.core.settings import Environment, find_root

P = ParamSpec("P")
T = TypeVar("T")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plaza")
def cli() -> None:
    """Plaza: one backend for products where people meet, talk, pay and trade."""


def configured(process: str) -> Any:
    """The configuration, with logging set up. Raises SettingsError."""
    from plaza.app.configuration import load
    from plaza.core.telemetry.logging import LoggingSettings, configure_logging

    configuration = load()
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


@contextmanager
def told_in_a_line() -> Iterator[None]:
    """Refusals and servers that cannot be reached end the program with what an operator needs to know of them."""
    from plaza.core.db import DatabaseAway, is_lost_server, is_refused_connection

    try:
        yield
    except DomainError as error:
        click.echo(f"{error.code}: {error.detail}", err=True)
        sys.exit(1)
    except Exception as error:
        if is_refused_connection(error):
            click.echo(f"plaza: PostgreSQL refuses DATABASE_URL: {getattr(error, 'orig', error)}", err=True)
        elif is_lost_server(error):
            why = type(error.__cause__ if isinstance(error, DatabaseAway) else error).__name__
            click.echo(f"plaza: PostgreSQL does not answer ({why}). Is `plaza up` running?", err=True)
        else:
            raise
        sys.exit(1)


def asynchronous(fn: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """A command that is a coroutine."""

    @wraps(fn)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        async def main() -> T:
            return await fn(*args, **kwargs)

        with told_in_a_line():
            return asyncio.run(main())

    return run


@cli.command()
def serve() -> None:
    """Run the API on PLAZA_HOST and PLAZA_PORT."""
    from plaza.app.runtime import settle
    from plaza.app.server import build

    server = build(configured("api"))
    settle()
    server.run()


@cli.command()
def worker() -> None:
    """Run the worker: jobs, event handlers, crons."""
    import uvloop

    from plaza.app.probes import probes
    from plaza.app.runtime import Runtime, settle
    from plaza.core.jobs import JobWorker

    configuration = configured("worker")

    async def main() -> None:
        runtime = Runtime(configuration, "worker")
        worker = JobWorker(runtime.jobs)
        settle()
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
    logging = environment.section("log", LoggingSettings)
    url = database_url(environment)
    configure_logging(logging or LoggingSettings(), "migrate")
    with told_in_a_line():
        upgrade(url, revision, sql=sql)


@cli.group()
def users() -> None:
    """People."""


def ask_password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


@users.command("create")
@click.option("--email", required=True)
@click.option(
    "--password",
    callback=lambda _, __, given: given if given is not None else ask_password(),
    help="Better left out, as shells remember it: then it is asked for, or a line of standard input.",
)
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


@users.group("roles")
def user_roles() -> None:
    """What people may do. Grants are in effect within a second; no right is needed but that to run this."""


@user_roles.command("list")
@click.argument("email")
@asynchronous
async def list_roles(email: str) -> None:
    """Print the roles of a person, with the time when each ends."""
    from plaza.identity import RoleService, UserService

    async with runtime_for() as runtime:
        user_id = (await runtime.parts[UserService].find(email)).unwrap()
        for each in (await runtime.parts[RoleService].held_by(user_id)).unwrap():
            click.echo(f"{each.role}\t{each.expires_at.isoformat() if each.expires_at else 'for good'}")


@user_roles.command("grant")
@click.argument("email")
@click.argument("role")
@click.option("--until", type=click.DateTime(), help="When it ends, in UTC; left out, it does not.")
@asynchronous
async def grant_role(email: str, role: str, until: datetime | None) -> None:
    """Give a person a role, or change when it ends."""
    from plaza.identity import RoleService, UserService

    async with runtime_for() as runtime:
        user_id = (await runtime.parts[UserService].find(email)).unwrap()
        ends = until.replace(tzinfo=UTC) if until is not None else None
        (await runtime.parts[RoleService].assign(user_id, role, ends)).unwrap()


@user_roles.command("revoke")
@click.argument("email")
@click.argument("role")
@asynchronous
async def revoke_role(email: str, role: str) -> None:
    """Take a role from a person."""
    from plaza.identity import RoleService, UserService

    async with runtime_for() as runtime:
        user_id = (await runtime.parts[UserService].find(email)).unwrap()
        (await runtime.parts[RoleService].withdraw(user_id, role)).unwrap()


@users.command("erase")
@click.argument("user_id", type=click.UUID)
@click.option("--texts", is_flag=True, help="Also what they wrote to others.")
@asynchronous
async def erase_user(user_id: Any, texts: bool) -> None:
    """Close this account for good, have the person erased everywhere by the worker, and print the certificate's id."""
    from plaza.identity import LeavingService

    async with runtime_for() as runtime:
        click.echo((await runtime.parts[LeavingService].delete_for(user_id, erase_texts=texts)).unwrap().id)


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


@cli.group()
def audit() -> None:
    """The audit log."""


@audit.command("verify")
@click.option("--head", "spelled", metavar="POSITION:HASH", help="A head that was kept: the chain must run through it.")
@asynchronous
async def verify_audit(spelled: str | None) -> None:
    """Walk the whole chain; exit 1 with the first entry that was changed, removed or reordered."""
    from plaza.audit import ChainService, Head

    try:
        kept = Head.parse(spelled) if spelled else None
    except ValueError:
        raise click.BadParameter("is POSITION:HASH, as `plaza audit head` prints it", param_hint="--head") from None
    async with runtime_for() as runtime:
        found = (await runtime.parts[ChainService].verify(kept)).unwrap()
    click.echo(f"{found.sealed} sealed entries hold ({found.erased} erased), {found.unsealed} not yet sealed")
    if found.broken is not None:
        click.echo(f"plaza: the chain is broken at {found.broken}", err=True)
        sys.exit(1)


@audit.command("head")
@asynchronous
async def audit_head() -> None:
    """Print the last position and its hash, to be kept where nobody who can write to the database can."""
    from plaza.audit import ChainService

    async with runtime_for() as runtime:
        if (head := (await runtime.parts[ChainService].head()).unwrap()) is None:
            click.echo("plaza: nothing is sealed yet", err=True)
            sys.exit(1)
    click.echo(head)


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from plaza.app.documents import openapi_json

    click.echo(openapi_json(), nl=False)


@cli.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a file is out of date.")
@click.option("--folder", type=click.Path(path_type=Path), default=lambda: find_root() / "docs")
def docs(check: bool, folder: Path) -> None:
    """Write the generated documents: contexts, errors, events, settings, authorization, openapi.json, asyncapi.json."""
    from plaza.app.documents import write

    stale = write(folder, check=check)
    for path in stale:
        click.echo(f"{'out of date' if check else 'written'}: {path}", err=True)
    if check and stale:
        sys.exit(1)
