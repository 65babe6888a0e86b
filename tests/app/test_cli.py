"""Each command as operators run it: a process of its own, its results on stdout, everything else on stderr."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from plaza.app.demo import DEMO_PASSWORD, DEMO_PEOPLE
from plaza.core.db.listener import connect_arguments
from plaza.core.settings import DEVELOPMENT_SECRET
from plaza.identity import KeyService
from tests.support.command_line import CommandLine
from tests.support.people import member
from tests.support.servers import TestServers
from tests.support.stage import Stage
from tests.support.waiting import eventually

DOCS = Path(__file__).parents[2] / "docs"
LOST = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
PRODUCTION = {
    "PLAZA_ENV": "production",
    "PLAZA_SECRET_KEY": "a secret of more than thirty-two characters",
    "PLAZA_PUBLIC_URL": "https://plaza.example",
    "PLAZA_NOTIFICATIONS_SMTP_URL": "smtp://127.0.0.1:1",
    "PLAZA_STORAGE_URL": "file:///var/lib/plaza",
}


@pytest.fixture
def command(servers: TestServers, tmp_path: Path) -> CommandLine:
    """Over the servers of the stage."""
    return CommandLine(tmp_path, DATABASE_URL=servers.database_url, REDIS_URL=servers.redis_url)


async def log_in(client: httpx.AsyncClient, identifier: str, password: str) -> httpx.Response:
    return await client.post("/api/v1/auth/login", json={"identifier": identifier, "password": password})


async def test_users_create(command: CommandLine, plaza: Stage, client: httpx.AsyncClient) -> None:
    words = ("users", "create", "--email", "Ada@Example.com", "--password", "a long enough lantern")
    made = await command(*words, "--staff", "--name", "Ada")
    taken = await command(*words, "--superuser")

    assert made.status == 0, made.err
    assert made.out == f"{UUID(made.out.strip())}\n", "whoever calls this from a script reads the id"
    user = (await log_in(client, "ada@example.com", "a long enough lantern")).json()["user"]
    assert (user["id"], user["display_name"]) == (made.out.strip(), "Ada")
    assert (taken.status, taken.out) == (1, "")
    assert taken.err.splitlines()[-1].startswith("EMAIL_TAKEN: ")
    assert "Traceback" not in taken.err
    assert await rights(plaza) == {"ada@example.com": (True, False)}


async def test_a_password_is_read_where_it_is_not_given(
    command: CommandLine, plaza: Stage, client: httpx.AsyncClient
) -> None:
    script = "from plaza.app.cli import cli; cli(['users', 'create', '--email', 'ada@example.com'])"
    made = await command.python("-c", script, reads="a long enough lantern\n")
    assert made.status == 0, made.err
    user = (await log_in(client, "ada@example.com", "a long enough lantern")).json()["user"]
    assert user["id"] == made.out.strip()


async def test_a_superuser_is_staff(command: CommandLine, plaza: Stage) -> None:
    words = ("users", "create", "--email", "ada@example.com", "--password", "a long enough lantern")
    assert (await command(*words, "--superuser")).status == 0
    assert await rights(plaza) == {"ada@example.com": (True, True)}


async def rights(plaza: Stage) -> dict[str, tuple[bool, bool]]:
    async with plaza.runtime.db.reader.connect() as connection:
        rows = await connection.execute(text("select email, is_staff, is_superuser from identity_user"))
        return {email: (is_staff, is_superuser) for email, is_staff, is_superuser in rows}


async def test_keys_rotate(command: CommandLine, plaza: Stage, client: httpx.AsyncClient) -> None:
    ada = await member(plaza, "ada")
    before = [key["kid"] for key in (await client.get("/.well-known/jwks.json")).json()["keys"]]

    rotated = await command("keys", "rotate")

    assert rotated.status == 0, rotated.err
    kid = rotated.out.strip()

    async def published() -> bool:
        keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
        return [key["kid"] for key in keys] == [kid, *before]

    await eventually(published)
    assert (await ada.http.get("/api/v1/auth/user")).status_code == 200
    assert (await plaza[KeyService].signing_key()).unwrap().kid == kid


async def test_openapi_and_docs_are_what_the_clone_has(command: CommandLine, tmp_path: Path) -> None:
    (tmp_path / ".env").unlink()  # nobody's folder: the clone that runs is found
    printed, checked = await asyncio.gather(command("openapi"), command("docs", "--check"))
    assert (printed.status, printed.out) == (0, (DOCS / "openapi.json").read_text()), printed.err
    assert (checked.status, checked.err) == (0, "")


async def test_docs_names_what_is_out_of_date(command: CommandLine, tmp_path: Path) -> None:
    checked = await command("docs", "--check", "--folder", "somewhere")
    assert (checked.status, checked.out) == (1, "")
    assert "out of date: somewhere/openapi.json" in checked.err
    assert not (tmp_path / "somewhere").exists()


async def test_migrate_makes_every_table_and_changes_nothing_the_second_time(
    command: CommandLine, servers: TestServers
) -> None:
    whole, empty = await servers.another_database("whole"), await servers.another_database("empty", empty=True)
    for _ in range(2):
        migrated = await command("migrate", DATABASE_URL=empty)
        assert (migrated.status, migrated.out) == (0, ""), migrated.err
    printed = await command("migrate", "--sql")

    assert await columns_of(empty) == await columns_of(whole)
    assert "CREATE TABLE identity_user" in printed.out


async def columns_of(url: str) -> list[str]:
    connection = await asyncpg.connect(**connect_arguments(url))
    columns = "select table_name || '.' || column_name from information_schema.columns where table_schema = 'public'"
    try:
        return sorted(row[0] for row in await connection.fetch(columns))
    finally:
        await connection.close()


async def test_dev_users(command: CommandLine, plaza: Stage) -> None:
    first, second = [await command("dev", "users", "3", "--conversation", "Load", "--json") for _ in range(2)]

    assert (first.status, second.status) == (0, 0), first.err + second.err
    made = json.loads(first.out)
    assert made.keys() == {"conversation_id", "users"}
    assert [user.keys() for user in made["users"]] == [{"id", "email", "access_token"}] * 3
    for user in made["users"]:
        client = plaza.client(user["access_token"])
        me = (await client.get("/api/v1/auth/user")).json()
        assert (me["id"], me["email"]) == (user["id"], user["email"])
        (group,) = (await client.get("/api/v1/chat/conversations")).json()["items"]
        assert (group["id"], group["title"]) == (made["conversation_id"], "Load")
    assert json.loads(second.out)["conversation_id"] != made["conversation_id"]


async def test_demo_people_are_made_once(command: CommandLine, plaza: Stage, client: httpx.AsyncClient) -> None:
    first = await command("dev", "demo")
    assert (first.status, first.out) == (0, ""), first.err
    assert "demo people made" in first.err
    ada = (await log_in(client, DEMO_PEOPLE[0][0], DEMO_PASSWORD)).json()
    count = text("select (select count(*) from identity_user), (select count(*) from chat_message)")
    async with plaza.runtime.db.reader.connect() as connection:
        before = (await connection.execute(count)).one()
        second = await command("dev", "demo")
        after = (await connection.execute(count)).one()

    assert "demo people stand" in second.err
    assert before == after
    conversations = await plaza.client(ada["access_token"]).get("/api/v1/chat/conversations")
    assert len(conversations.json()["items"]) == 2


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PLAZA_PORT": "eight", "PLAZA_LOG_LEVLE": "info"}, ["PLAZA_PORT='eight'", "PLAZA_LOG_LEVEL?"]),
        ({**PRODUCTION, "PLAZA_SECRET_KEY": DEVELOPMENT_SECRET}, ["PLAZA_SECRET_KEY: "]),
        ({**PRODUCTION, "PLAZA_RATE_LIMIT_ENABLED": "false"}, ["PLAZA_RATE_LIMIT_ENABLED=false"]),
    ],
)
async def test_wrong_settings_are_named(command: CommandLine, variables: dict[str, str], named: list[str]) -> None:
    ended = await command("serve", **variables)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("plaza: wrong settings\n")
    assert len(ended.err.splitlines()) == 1 + len(named)
    for variable in named:
        assert variable in ended.err


async def test_what_is_for_development_is_refused_in_production(command: CommandLine, plaza: Stage) -> None:
    refused = await command("dev", "users", "3", "--json", **PRODUCTION)
    assert (refused.status, refused.out) == (1, "")
    assert "PLAZA_ENV is production" in refused.err
    async with plaza.runtime.db.reader.connect() as connection:
        assert (await connection.execute(text("select count(*) from identity_user"))).scalar_one() == 0


@pytest.mark.parametrize("words", [("migrate",), ("keys", "rotate")])
async def test_a_lost_server_is_told_in_a_line(command: CommandLine, words: tuple[str, ...]) -> None:
    lost = await command(*words, DATABASE_URL=LOST)
    assert (lost.status, lost.out) == (1, "")
    assert lost.err == "plaza: PostgreSQL does not answer (ConnectionRefusedError). Is `plaza up` running?\n"


async def test_a_database_that_is_not_there_is_named(command: CommandLine, servers: TestServers) -> None:
    missing = await command("migrate", DATABASE_URL=servers.database_url.replace(servers.database, "missing"))
    assert (missing.status, missing.out) == (1, "")
    assert missing.err.startswith("plaza: PostgreSQL refuses DATABASE_URL: ")
    assert 'database "missing" does not exist' in missing.err
    assert "Traceback" not in missing.err


async def test_users_roles(command: CommandLine, plaza: Stage) -> None:
    await member(plaza, "ada")
    roles = ("users", "roles")
    granted = await command(*roles, "grant", "Ada@Example.com", "support", "--until", "2999-01-02")
    assert (granted.status, granted.out) == (0, ""), granted.err
    assert (await command(*roles, "grant", "ada@example.com", "superuser")).status == 0
    assert await rights(plaza) == {"ada@example.com": (True, True)}
    listed = await command(*roles, "list", "ada@example.com")
    assert listed.out.splitlines() == ["superuser\tfor good", "support\t2999-01-02T00:00:00+00:00"]

    last = await command(*roles, "revoke", "ada@example.com", "superuser")
    assert (last.status, last.err.splitlines()[-1].split(":")[0]) == (1, "LAST_SUPERUSER")
    assert (await command(*roles, "revoke", "ada@example.com", "support")).status == 0
    assert (await command(*roles, "list", "ada@example.com")).out == "superuser\tfor good\n"
    for words in (("nobody@example.com", "support"), ("ada@example.com", "wizard")):
        refused = await command(*roles, "grant", *words)
        assert (refused.status, refused.err.splitlines()[-1].split(":")[0]) in (
            (1, "USER_NOT_FOUND"),
            (1, "ROLE_NOT_FOUND"),
        )
