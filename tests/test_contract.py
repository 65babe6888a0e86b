"""schemathesis over the OpenAPI document: no 500, no status, type or shape that the document does not name."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from plaza.chat import ConversationService, Kind, NewConversation
from tests.identity.staff import a_role, somebody
from tests.support.people import Member, member
from tests.support.stage import Stage
from tests.support.supervised import REPOSITORY

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# Where hypothesis keeps what it works out of Unicode, for seconds: in a folder of each run's own it would do so in each run.
KEPT = {"HYPOTHESIS_STORAGE_DIRECTORY": str(REPOSITORY / ".hypothesis")}
# These end the session or the conversation that the others need; they have a run of their own.
ENDING = "(logout|sessions/|leave|participants/)"


async def schemathesis(stage: Stage, folder: Path, *options: str, ids: dict[str, str] | None = None) -> None:
    config = folder / "schemathesis.toml"
    parameters = "".join(f'"path.{name}" = "{value}"\n' for name, value in (ids or {}).items())
    config.write_text("[parameters]\n" + parameters)
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        *("--config-file", config, "run", f"{stage.base_url}/schema/openapi.json"),
        *("--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", "5", "--generation-deterministic"),
        *("--suppress-health-check", "all", "--no-color", *options),
        cwd=folder,
        env={**os.environ, **KEPT},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out = (await process.communicate())[0].decode()
    assert process.returncode == 0, out[-8000:]
    assert re.search(r" [1-9]\d* generated, [1-9]\d* passed", out), out[-2000:]


@pytest.fixture
async def ada(plaza: Stage) -> Member:
    return await member(plaza, "ada")


@pytest.fixture
async def ids(plaza: Stage, ada: Member) -> dict[str, str]:
    grace = await member(plaza, "grace")
    new = NewConversation(kind=Kind.GROUP, title="Contract", member_ids=[grace.id])
    made = (await plaza[ConversationService].create(ada.actor, new)).unwrap()
    return {"conversation_id": str(made.conversation.id), "user_id": str(grace.id)}


async def test_as_somebody_with_real_ids(plaza: Stage, ada: Member, ids: dict[str, str], tmp_path: Path) -> None:
    authorization = ("--header", f"Authorization: Bearer {ada.token}")
    lasting = ("--exclude-path-regex", ENDING, "--exclude-method", "DELETE")
    await schemathesis(plaza, tmp_path, *authorization, *lasting, ids=ids)


async def test_what_ends_sessions_and_conversations(
    plaza: Stage, ada: Member, ids: dict[str, str], tmp_path: Path
) -> None:
    authorization = ("--header", f"Authorization: Bearer {ada.token}")
    await schemathesis(
        plaza, tmp_path, *authorization, "--include-path-regex", "(sessions/|leave|participants/)", ids=ids
    )
    await schemathesis(plaza, tmp_path, *authorization, "--include-method", "DELETE", ids=ids)
    await schemathesis(plaza, tmp_path, *authorization, "--include-path-regex", "logout")


async def test_as_staff(plaza: Stage, ids: dict[str, str], tmp_path: Path) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    await a_role(plaza, boss, "greeter", "users.read")
    authorization = ("--header", f"Authorization: Bearer {boss.pair.access_token}")
    named = {**ids, "name": "greeter", "role": "support"}
    await schemathesis(plaza, tmp_path, *authorization, "--include-path-regex", "^/api/v1/admin/", ids=named)


async def test_as_nobody(plaza: Stage, ids: dict[str, str], tmp_path: Path) -> None:
    await schemathesis(plaza, tmp_path, ids=ids)
