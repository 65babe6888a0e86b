"""An installation that is in use goes up with its people and messages, and back down."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from uuid import uuid4

import asyncpg

from plaza.core.db.listener import connect_arguments
from plaza.core.ids import uuid7
from tests.support.servers import TestServers

FIRST = "4f273c2bc1b5"

PEOPLE = """
insert into identity_user (id, email, email_verified_at, status, created_at, is_staff, is_superuser, token_version, version)
values ($1, $2, now(), 'active', now(), false, false, 1, 1)
"""
CODE = """
insert into identity_verification_token (id, purpose, email, user_id, code_hash, link_hash, attempts, created_at, expires_at, version)
values ($1, 'email_verification', $2, $3, '\\x00', $4, 0, now(), now(), 1)
"""
TALK = """
insert into chat_conversation (id, kind, created_by, participant_count, last_seq, created_at, version)
values ($1, 'direct', $2, 0, 1, now(), 1)
"""
SAID = """
insert into chat_message (id, conversation_id, seq, sender_id, type, content, client_id, reply_count, mentions, created_at)
values ($1, $2, 1, $3, 'text', 'kept', $4, 0, '{}', now())
"""


async def migrated(url: str, move: str, revision: str) -> None:
    """In a process of its own: Alembic runs an event loop."""
    program = "import sys; from alembic import command; from plaza.app.migrations import config; "
    program += "getattr(command, sys.argv[1])(config(sys.argv[3]), sys.argv[2])"
    arguments = [sys.executable, "-c", program, move, revision, url]
    done = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_what_stands_in_a_database_stays(servers: TestServers) -> None:
    url = await servers.another_database("upgraded", empty=True)
    await migrated(url, "upgrade", FIRST)
    ada, talk = uuid7(), uuid7()
    connection = await asyncpg.connect(**connect_arguments(url))
    try:
        await connection.execute(PEOPLE, ada, "ada@example.com")
        await connection.execute(CODE, uuid7(), "ada@example.com", ada, uuid4().bytes)
        await connection.execute(TALK, talk, ada)
        await connection.execute(SAID, uuid7(), talk, ada, uuid4())
        for move, revision, column in (
            ("upgrade", "head", "address"),
            ("downgrade", FIRST, "email"),
            ("upgrade", "head", "address"),
        ):
            await migrated(url, move, revision)
            assert await connection.fetchval("select email from identity_user") == "ada@example.com"
            assert await connection.fetchval(f"select {column} from identity_verification_token") == "ada@example.com"
            assert await connection.fetchval("select content from chat_message") == "kept"
    finally:
        await connection.close()
