"""How migrations run: one at a time, never waiting long for a lock that would make the API wait behind it."""

from __future__ import annotations

import asyncio
import random

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

LOCK_TIMEOUT_S = 3
TRIES = 10
MIGRATING = 0x706C617A61  # the advisory lock of whoever migrates: "plaza" in ASCII


def configure(**arguments: object) -> None:
    context.configure(
        target_metadata=context.config.attributes.get("metadata"),  # only a comparison with the models needs them
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
        **arguments,  # type: ignore[arg-type] # Alembic's own keywords
    )


def migrate(connection: Connection) -> None:
    configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def online() -> None:
    engine = create_async_engine(
        context.config.attributes["url"],
        poolclass=NullPool,
        connect_args={"server_settings": {"lock_timeout": f"{LOCK_TIMEOUT_S}s", "application_name": "plaza-migrate"}},
    )
    try:
        for attempt in range(1, TRIES + 1):
            try:
                async with engine.connect() as guard, engine.connect() as connection:
                    await guard.execute(text("select pg_advisory_lock(:key)"), {"key": MIGRATING})
                    await connection.run_sync(migrate)
                    return
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != "55P03" or attempt == TRIES:
                    raise
                await asyncio.sleep(random.uniform(0.5, 1.5) * attempt)  # noqa: S311 - jitter, not a secret
    finally:
        await engine.dispose()


def offline() -> None:
    configure(url=context.config.attributes["url"], literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    offline()
else:
    asyncio.run(online())
