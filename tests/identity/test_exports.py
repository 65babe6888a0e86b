"""Taking one's data along: what is in the zip, who gets it, for how long."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from plaza.core.db import Database, DatabaseSettings
from plaza.core.personal_data import PersonalDataHolders
from plaza.core.result import Failure
from plaza.core.storage import LocalStorage, NoSuchFile, Storage
from plaza.identity.errors import ExportNotFound
from plaza.identity.models import ExportStatus
from plaza.identity.models.privacy import export_key
from plaza.identity.repository import ExportRepository
from plaza.identity.repository.privacy import owned
from plaza.identity.schemas import CodeInput, EmailInput
from plaza.identity.service import EmailChangeService, ExportService
from plaza.identity.service.exports import TRIES
from tests.audit.builders import entries
from tests.chat.builders import Chat
from tests.identity.builders import Person, a_person, codes_to, jobs_done, mails_to
from tests.support.clock import ManualClock
from tests.support.servers import TestServers
from tests.support.stage import Stage
from tests.support.waiting import eventually

EXPORTS = "/api/v1/auth/exports"


async def asked(http: httpx.AsyncClient) -> str:
    answer = await http.post(EXPORTS)
    assert answer.status_code == 202, answer.text
    id: str = answer.json()["id"]
    return id


async def ended(http: httpx.AsyncClient, export_id: str) -> dict[str, Any]:
    """What is told of it in the end."""
    seen: dict[str, Any] = {}

    async def has_ended() -> bool:
        seen.update((await http.get(f"{EXPORTS}/{export_id}")).json())
        return seen["status"] in ("done", "failed")

    await eventually(has_ended)
    return seen


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


async def downloaded(plaza: Stage, url: str) -> zipfile.ZipFile:
    answer = await plaza.client().get(path_of(url))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="plaza-export.zip"'
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive


def read(archive: zipfile.ZipFile, name: str) -> Any:
    content = archive.read(name)
    return [json.loads(line) for line in content.splitlines()] if name.endswith(".ndjson") else json.loads(content)


async def exported(plaza: Stage, person: Person) -> zipfile.ZipFile:
    http = plaza.client(person.pair.access_token)
    told = await ended(http, await asked(http))
    assert told["status"] == "done"
    return await downloaded(plaza, told["url"])


async def test_what_was_sent_to_an_earlier_address_is_theirs_too(plaza: Stage) -> None:
    ada, new = await a_person(plaza, "ada@example.com"), "countess@example.com"
    (await plaza[EmailChangeService].ask(ada.actor, EmailInput(email=new))).unwrap()
    (code,) = await codes_to(plaza, new)
    (await plaza[EmailChangeService].confirm(ada.actor, CodeInput(code=code))).unwrap()
    await mails_to(plaza, ada.email)
    await jobs_done(plaza)
    archive = await exported(plaza, ada)
    messages = read(archive, "notifications/messages.ndjson")
    assert {(each["kind"], each["recipient"]) for each in messages} >= {
        ("identity.email_changed", ada.email),
        ("identity.email_change_code", new),
    }


async def test_who_has_just_asked_does_not_ask_a_replica(plaza: Stage, servers: TestServers) -> None:
    ada = await a_person(plaza)
    export_id = UUID(await asked(plaza.client(ada.pair.access_token)))
    lagging = await servers.another_database("replica")
    db = Database(servers.database_url, DatabaseSettings(replica_url=lagging))
    try:
        assert await ExportRepository(db).state_of(export_id, ada.id) is not None
    finally:
        await db.close()


async def test_the_zip_holds_what_every_context_knows(plaza: Stage) -> None:
    ada = await a_person(plaza, name="Ada")
    http = plaza.client(ada.pair.access_token)
    await http.patch("/api/v1/auth/profile", json={"bio": "First of her trade"})
    answer = await http.post(EXPORTS)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert set(answer.json()) == {"id", "status"}
    told = await ended(http, answer.json()["id"])
    assert set(told) == {"id", "status", "url"}

    archive = await downloaded(plaza, told["url"])
    about = read(archive, "export.json")
    assert about["user_id"] == str(ada.id)
    assert set(about["contexts"]) == set(plaza[PersonalDataHolders].by_context)
    assert read(archive, "identity/account.json")["email"] == "ada@example.com"
    assert read(archive, "identity/profile.json")["bio"] == "First of her trade"
    (session,) = read(archive, "identity/sessions.ndjson")
    assert session["ip"] == "127.0.0.1"
    actions = [each["action"] for each in read(archive, "audit/entries.ndjson")]
    assert "identity.session_opened" in actions
    assert "identity.export_requested" in actions
    assert read(archive, "chat/messages.ndjson") == []
    for name in archive.namelist():
        content = archive.read(name)
        assert b"password_hash" not in content, name
        assert b"$argon2" not in content, name


async def test_it_holds_only_what_is_theirs(plaza: Stage) -> None:
    chat, ada, grace = (
        Chat(plaza),
        await a_person(plaza),
        await a_person(plaza, "grace@example.com", name="Grace Hopper"),
    )
    group = await chat.group(grace.actor, ada.actor, title="Compilers")
    mine = await chat.say(ada.actor, group, "words of mine")
    await chat.say(grace.actor, group, "words of hers", parent=mine.id)
    direct = await chat.direct(ada.actor, grace.actor)
    await chat.say(grace.actor, direct, "for your eyes only")

    archive = await exported(plaza, ada)

    (message,) = read(archive, "chat/messages.ndjson")
    assert (message["content"], message["conversation_id"]) == ("words of mine", str(group))
    titles = {each["conversation_id"]: each["title"] for each in read(archive, "chat/conversations.ndjson")}
    assert titles == {str(group): "Compilers", str(direct): None}
    for name in archive.namelist():
        content = archive.read(name).decode()
        for foreign in ("words of hers", "eyes only", "grace@example.com", "Grace Hopper", str(grace.id)):
            assert foreign not in content, name


async def test_where_staff_acted_from_is_not_in_it(plaza: Stage) -> None:
    ada = await a_person(plaza)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(
            text(
                """insert into audit_entry
                (id, at, action, subject_type, subject_id, actor_id, user_id, correlation_id, ip, user_agent, salt)
                values (:id, now(), 'tests.looked', 'user', 'x', :staff, :user, '', '198.51.100.7', 'staff browser', 'x')"""
            ),
            {"id": uuid4(), "staff": uuid4(), "user": ada.id},
        )
    archive = await exported(plaza, ada)
    content = archive.read("audit/entries.ndjson")
    assert b"tests.looked" in content
    assert b"198.51.100.7" not in content
    assert b"staff browser" not in content


def test_every_table_of_identity_is_exported_or_holds_nothing_to_take_along() -> None:
    exported = {
        "identity_profile",
        "identity_address",
        "identity_linked_account",
        "identity_unlinked_account",
        "identity_passkey",
        "identity_device_key",
        "identity_totp_device",
        "identity_api_key",
        "identity_user_role",
        "identity_session",
        "identity_login_attempt",
        "identity_export",
    }
    only_technical = {
        "identity_verification_token",
        "identity_recovery_code",
        "identity_mfa_challenge",
        "identity_outside_session",
    }
    assert {column.table.name for column in owned()} - only_technical == exported


async def test_nobody_else_gets_it(plaza: Stage, client: httpx.AsyncClient) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, "grace@example.com")
    http, other = plaza.client(ada.pair.access_token), plaza.client(grace.pair.access_token)
    export_id = await asked(http)
    told = await ended(http, export_id)

    for asker, id in ((other, export_id), (http, str(uuid4()))):
        answer = await asker.get(f"{EXPORTS}/{id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "EXPORT_NOT_FOUND")
        assert "url" not in answer.json()
    assert (await client.get(f"{EXPORTS}/{export_id}")).status_code == 401
    assert (await client.post(EXPORTS)).status_code == 401
    guessed = told["url"].replace(export_id, str(uuid4()))
    assert (await client.get(path_of(guessed))).status_code == 403


async def test_links_end_and_are_made_anew(plaza: Stage, client: httpx.AsyncClient, clock: ManualClock) -> None:
    ada = await a_person(plaza)
    http = plaza.client(ada.pair.access_token)
    export_id = await asked(http)
    told = await ended(http, export_id)
    clock.advance(timedelta(hours=4))
    refused = await client.get(path_of(told["url"]))
    assert (refused.status_code, refused.json()["code"]) == (403, "LINK_INVALID")
    view = (await plaza[ExportService].view(ada.actor, UUID(export_id))).unwrap()
    assert isinstance(view.url, str)
    assert (await client.get(path_of(view.url))).status_code == 200


async def test_it_is_purged_after_some_days(plaza: Stage, clock: ManualClock) -> None:
    ada = await a_person(plaza)
    http = plaza.client(ada.pair.access_token)
    export_id = await asked(http)
    await ended(http, export_id)
    storage, key = plaza.runtime.storage, export_key(UUID(export_id))
    clock.advance(timedelta(days=3) - timedelta(seconds=1))
    (await plaza[ExportService].purge()).unwrap()
    assert await storage.exists(key)

    clock.advance(timedelta(seconds=2))
    (await plaza[ExportService].purge()).unwrap()
    assert not await storage.exists(key)
    answer = await plaza[ExportService].view(ada.actor, UUID(export_id))
    assert isinstance(answer, Failure)
    assert isinstance(answer.error, ExportNotFound)


async def test_the_log_tells_of_each_step(plaza: Stage) -> None:
    ada = await a_person(plaza)
    http = plaza.client(ada.pair.access_token)
    export_id = await asked(http)
    await ended(http, export_id)
    told = [each for each in await entries(plaza, subject_type="export") if each.subject_id == export_id]
    assert {each.action for each in told} == {
        "identity.export_requested",
        "identity.export_made",
        "identity.export_handed_out",
    }
    assert {each.user_id for each in told} == {ada.id}


async def test_an_account_that_goes_takes_its_exports_with_it(plaza: Stage) -> None:
    ada = await a_person(plaza)
    http = plaza.client(ada.pair.access_token)
    export_id = await asked(http)
    told = await ended(http, export_id)
    assert (await http.delete("/api/v1/auth/user")).status_code == 202

    async def is_gone() -> bool:
        return (await plaza.client().get(path_of(told["url"]))).status_code == 404

    await eventually(is_gone)


# What a worker does, without one.


@pytest.fixture
async def quiet(servers: TestServers) -> AsyncIterator[Stage]:
    database_url = await servers.another_database("exports")
    async with Stage(database_url, servers.redis_url, worker=False) as stage:
        yield stage
        await stage.close_clients()


async def jobs(stage: Stage) -> int:
    async with stage.runtime.db.reader.connect() as connection:
        statement = "select count(*) from core_job where handler = 'identity.make_export'"
        return int((await connection.execute(text(statement))).scalar_one())


async def test_one_is_made_at_a_time(quiet: Stage) -> None:
    ada, exports = await a_person(quiet), quiet[ExportService]
    http = quiet.client(ada.pair.access_token)
    ids = {await asked(http) for _ in range(3)}
    assert (len(ids), await jobs(quiet)) == (1, 1)
    (export_id,) = map(UUID, ids)
    (await exports.make(export_id)).unwrap()
    (await exports.make(export_id)).unwrap()
    assert (await exports.view(ada.actor, export_id)).unwrap().status is ExportStatus.DONE
    assert await asked(http) != str(export_id), "the next one is a new one"


class Broken:
    """A storage that is away."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    async def put(self, key: str, content: AsyncIterator[bytes], content_type: str) -> None:
        async for _ in content:
            raise ConnectionError("the storage is away")

    async def delete(self, key: str) -> None:
        await self.storage.delete(key)


async def test_what_cannot_be_made_is_tried_again_and_then_told(quiet: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet.internal_errors.expect("export_failed")
    ada, exports = await a_person(quiet), quiet[ExportService]
    http = quiet.client(ada.pair.access_token)
    export_id = await asked(http)
    monkeypatch.setattr(exports, "storage", Broken(quiet.runtime.storage))
    for tried in range(1, TRIES):
        (await exports.make(UUID(export_id))).unwrap()
        assert (await http.get(f"{EXPORTS}/{export_id}")).json() == {"id": export_id, "status": "queued"}
        assert await jobs(quiet) == 1 + tried, "each try enqueues the next"
    (await exports.make(UUID(export_id))).unwrap()

    told = (await http.get(f"{EXPORTS}/{export_id}")).json()
    assert set(told) == {"id", "status", "problem"}
    assert (told["status"], told["problem"]["code"]) == ("failed", "INTERNAL_ERROR")
    assert await jobs(quiet) == TRIES
    monkeypatch.undo()
    again = await asked(http)
    (await exports.make(UUID(again))).unwrap()
    assert (await http.get(f"{EXPORTS}/{again}")).json()["status"] == "done"


async def test_one_whose_job_was_given_up_is_told_as_failed(quiet: Stage) -> None:
    ada, exports = await a_person(quiet), quiet[ExportService]
    export_id = UUID(await asked(quiet.client(ada.pair.access_token)))
    quiet.clock.advance(timedelta(days=1, seconds=1))
    (await exports.purge()).unwrap()
    assert (await exports.view(ada.actor, export_id)).unwrap().status is ExportStatus.FAILED


async def test_an_export_whose_owner_went_meanwhile_leaves_no_file(quiet: Stage) -> None:
    storage, exports = quiet.runtime.storage, quiet[ExportService]
    assert isinstance(storage, LocalStorage)
    ada = await a_person(quiet)
    http = quiet.client(ada.pair.access_token)
    export_id = UUID(await asked(http))
    write = exports._write

    async def while_they_leave(key: str, person: Any) -> int:
        size = await write(key, person)
        assert await storage.exists(key)
        assert (await http.delete("/api/v1/auth/user")).status_code == 202
        return size

    exports._write = while_they_leave  # type: ignore[method-assign] # what happens between two of its steps
    (await exports.make(export_id)).unwrap()

    with pytest.raises(NoSuchFile):
        await storage.open(export_key(export_id))
    async with quiet.runtime.db.reader.connect() as connection:
        status = (await connection.execute(text("select status from identity_export"))).scalar_one()
    assert status == "running", "nobody can ask for it any more; its row goes with the erasure"
