"""Where tests find their PostgreSQL and Valkey."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from typing import Any, Self

import asyncpg
from sqlalchemy.engine import make_url

from plaza.app.migrations import upgrade
from plaza.core.db.listener import connect_arguments
from plaza.dev.embedded import Valkey, running, throwaway_folder, throwaway_servers

TEMPLATE = "plaza_test_template"


def prepare_template(stack: ExitStack) -> None:
    """Starts the servers of this run, unless they are given, and migrates the template; xdist's workers learn of it by environment."""
    if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        os.environ["PLAZA_TESTED_DATABASE"], os.environ["PLAZA_TESTED_REDIS"] = (
            stack.enter_context(throwaway_servers()).urls[0],
            "",
        )
    else:
        os.environ["PLAZA_TESTED_DATABASE"], os.environ["PLAZA_TESTED_REDIS"] = (
            os.environ["DATABASE_URL"],
            os.environ["REDIS_URL"],
        )
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    asyncio.run(_recreate(TEMPLATE))
    upgrade(_url_of(TEMPLATE))
    asyncio.run(_let_tests_clear_up())


class TestServers:
    """One worker's share. It lasts from the start of the session to its end."""

    __test__ = False

    def __init__(self, worker: str) -> None:
        self.database = f"plaza_test_{worker}"
        self.database_url = _url_of(self.database)
        self.redis_url = os.environ["PLAZA_TESTED_REDIS"]
        self.worker = worker
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        asyncio.run(_recreate(self.database, TEMPLATE))
        if self.redis_url:
            number = int(self.worker.removeprefix("gw") or 0) + 1 if self.worker.startswith("gw") else 0
            self.redis_url = f"{self.redis_url.rsplit('?', 1)[0].rstrip('/')}?db={number}"
        else:
            folder = self._stack.enter_context(throwaway_folder())
            self.redis_url = self._stack.enter_context(running(Valkey(folder, durable=False))).url
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        asyncio.run(_drop(self.database))

    async def another_database(self, suffix: str, *, empty: bool = False) -> str:
        """One more, from the template or without a table, for a test that kills or migrates it."""
        name = f"{self.database}_{suffix}"
        await _recreate(name, "template1" if empty else TEMPLATE)
        return _url_of(name)


def _url_of(database: str) -> str:
    return make_url(os.environ["PLAZA_TESTED_DATABASE"]).set(database=database).render_as_string(hide_password=False)


async def _recreate(database: str, template: str = "template1") -> None:
    connection = await _admin()
    try:
        await connection.execute(f'drop database if exists "{database}" with (force)')
        await connection.execute(f'create database "{database}" template "{template}" strategy file_copy')
    finally:
        await connection.close()


async def _let_tests_clear_up() -> None:
    """Only here: everywhere else nothing goes from the audit log."""
    connection = await asyncpg.connect(**connect_arguments(_url_of(TEMPLATE)))
    try:
        await connection.execute("alter table audit_entry disable trigger audit_entry_undeleted")
    finally:
        await connection.close()


async def _drop(database: str) -> None:
    connection = await _admin()
    try:
        await connection.execute(f'drop database if exists "{database}" with (force)')
    finally:
        await connection.close()


async def _admin() -> Any:
    return await asyncpg.connect(**connect_arguments(os.environ["PLAZA_TESTED_DATABASE"]))
