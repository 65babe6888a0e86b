"""Death between every two steps of an erasure and of an export: nothing half done is seen, and a retry ends well.

A step is what a transaction leaves behind, or a file; within a transaction the database itself sees to it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.chat import ConversationService, Kind, MessageService, NewConversation, NewMessage
from plaza.core.actor import Actor
from plaza.core.ids import uuid7
from plaza.core.personal_data import PersonalDataHolders
from plaza.core.storage import LocalStorage
from plaza.domain_events.identity import UserId
from plaza.identity import NewUser, UserService
from plaza.identity.models import ExportStatus
from plaza.identity.models.privacy import export_key
from plaza.identity.schemas import Proof
from plaza.identity.service import ExportService, LoginGate
from tests.faults.mortal import Mortals, delete_account, work
from tests.identity.builders import HERE
from tests.support.stage import configuration_for

# What each context holds of a person, as long as its share has not been erased.
HELD = {
    "chat": "select count(*) from chat_message where sender_id = :id",
    "identity": "select count(*) from identity_profile where user_id = :id",
    "audit": "select count(*) from audit_entry where user_id = :id and salt is not null and action = 'identity.session_opened'",
    "notifications": "select count(*) from notifications_delivery where recipient = :email and kind = 'identity.welcome'",
}
CLOSED = """select u.status = 'deactivated', u.deleted_at is not null,
    exists (select from identity_erasure e where e.user_id = u.id),
    exists (select from core_job where handler = 'identity.erase_next' and payload->>'erasure_id' =
        (select id::text from identity_erasure e where e.user_id = u.id)),
    not exists (select from identity_session s where s.user_id = u.id and s.revoked_at is null),
    exists (select from audit_entry a where a.subject_id = u.id::text and a.action = 'identity.user_deletion_requested')
    from identity_user u where u.id = :id"""


class World:
    """The database and the files as the survivors see them, and processes that die over them."""

    def __init__(self, runtime: Runtime, mortals: Mortals) -> None:
        self.runtime, self.mortals = runtime, mortals

    async def rows(self, question: str, **parameters: Any) -> list[Any]:
        async with self.runtime.db.reader.connect() as connection:
            return list((await connection.execute(text(question), parameters)).all())

    async def person(self, name: str) -> tuple[UserId, str]:
        """With a session, a message and a mail."""
        email = f"{name}@example.com"
        people = [NewUser(email=each, display_name=name) for each in (email, f"friend-of-{email}")]
        ada, friend = (await self.runtime.parts[UserService].create_many(people)).unwrap()
        (await self.runtime.parts[LoginGate].admit(ada, Proof(methods=("pwd",)), HERE)).unwrap()
        new = NewConversation(kind=Kind.DIRECT, member_ids=[friend])
        made = (await self.runtime.parts[ConversationService].create(Actor(user_id=ada), new)).unwrap()
        message = NewMessage(client_id=uuid7(), content=f"words of {name}")
        posted = await self.runtime.parts[MessageService].post(Actor(user_id=ada), made.conversation.id, message)
        posted.unwrap()
        async with self.runtime.db.engine.begin() as connection:
            await connection.execute(
                text(
                    """insert into notifications_delivery (id, kind, channel, recipient, recipient_name, state, created_at)
                    values (:id, 'identity.welcome', 'email', :email, '', 'sent', now())"""
                ),
                {"id": uuid7(), "email": email},
            )
        return ada, email

    async def closed(self, user_id: UUID) -> set[bool]:
        (row,) = await self.rows(CLOSED, id=user_id)
        return set(row)

    async def held(self, user_id: UUID, email: str) -> dict[str, bool]:
        found = {}
        for context, question in HELD.items():
            (row,) = await self.rows(
                question, **{n: v for n, v in (("id", user_id), ("email", email)) if f":{n}" in question}
            )
            found[context] = row[0] > 0
        return found

    async def erased_in(self, user_id: UUID) -> set[str]:
        steps = await self.rows(
            """select context from identity_erasure_step s join identity_erasure e on e.id = s.erasure_id
            where e.user_id = :id and s.finished_at is not null""",
            id=user_id,
        )
        return {row.context for row in steps}

    async def certified(self, user_id: UUID) -> list[Any]:
        return await self.rows(
            "select * from identity_erasure where user_id = :id and completed_at is not null", id=user_id
        )

    async def last_mails(self, email: str) -> int:
        question = "select 1 from notifications_outbox_item where recipient = :email and subject like '%is gone'"
        return len(await self.rows(question, email=email))

    async def work(self) -> None:
        assert await self.mortals.do(work) == "OK"

    async def dies(self, step: int) -> bool:
        return await self.mortals.do(work, dies_at=step, by_commits=True) is None


@pytest.fixture
async def world(jobs_database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[World]:
    files = {"PLAZA_STORAGE_URL": f"file://{tmp_path}"}
    runtime = Runtime(configuration_for(jobs_database_url, redis_url, **files), "survivor")
    async with Mortals(jobs_database_url, redis_url, **files) as mortals:
        made = World(runtime, mortals)
        await made.work()  # what other tests have left
        yield made
    await runtime.close()


async def test_while_an_account_is_closed(world: World) -> None:
    answer, step = None, 0
    while answer is None:
        step += 1
        user_id, _ = await world.person(f"closing{step}")
        answer = await world.mortals.do(delete_account, str(user_id), dies_at=step)
        closed = await world.closed(user_id)
        assert len(closed) == 1, closed
        again = await world.mortals.do(delete_account, str(user_id))
        assert again == ("ACCOUNT_DISABLED" if closed == {True} else "OK")
        assert await world.closed(user_id) == {True}
    assert (answer, step > 10) == ("OK", True)


async def test_while_a_person_is_erased(world: World) -> None:
    died, step = True, 0
    while died:
        step += 1
        user_id, email = await world.person(f"erasing{step}")
        assert await world.mortals.do(delete_account, str(user_id)) == "OK"
        died = await world.dies(step)

        done, held = await world.erased_in(user_id), await world.held(user_id, email)
        assert held == {context: context not in done for context in HELD}, "each context holds all or nothing"
        contexts = set(world.runtime.parts[PersonalDataHolders].by_context)
        if await world.certified(user_id):
            assert done == contexts
        else:
            assert await world.last_mails(email) == 0

        await world.work()
        assert await world.erased_in(user_id) == contexts
        assert not any((await world.held(user_id, email)).values())
        (certificate,) = await world.certified(user_id)
        assert certificate.sealed_contacts is None
        counts = dict(
            await world.rows(
                "select context, counts from identity_erasure_step where erasure_id = :id", id=certificate.id
            )
        )
        assert (counts["chat"]["texts"], counts["identity"]["user"]) == (1, 1), "what was repeated is counted once"
        assert await world.last_mails(email) == 1
        told = "select 1 from audit_entry where subject_id = :id and action = 'identity.user_erased'"
        assert len(await world.rows(told, id=str(user_id))) == 1
    assert step > len(HELD) + 2, "there were steps to die at"


async def test_while_an_export_is_made(world: World) -> None:
    storage, exports = world.runtime.storage, world.runtime.parts[ExportService]
    assert isinstance(storage, LocalStorage)
    died, step = True, 0
    while died:
        step += 1
        user_id, email = await world.person(f"exporting{step}")
        actor = Actor(user_id=user_id)
        export_id = (await exports.request(actor)).unwrap().id
        died = await world.dies(step)

        async def whole() -> bool:
            """Whether the file that everybody sees is one."""
            key = export_key(export_id)  # noqa: B023 - called within its round
            if not await storage.exists(key):
                return False
            content = b"".join([chunk async for chunk in (await storage.open(key)).content])
            archive = zipfile.ZipFile(io.BytesIO(content))
            assert archive.testzip() is None
            assert email.encode() in archive.read("identity/account.json")  # noqa: B023 - called within its round
            return True

        seen = await whole()
        view = (await exports.view(actor, export_id)).unwrap()
        assert seen or view.status is not ExportStatus.DONE, "a link leads to a whole file"
        assert view.status is not ExportStatus.FAILED

        await world.work()
        view = (await exports.view(actor, export_id)).unwrap()
        assert view.status is ExportStatus.DONE
        assert isinstance(view.url, str)
        assert await whole()
        made = "select 1 from audit_entry where subject_id = :id and action = 'identity.export_made'"
        assert len(await world.rows(made, id=str(export_id))) == 1
    assert step > 4, "there were steps to die at"


async def test_an_erasure_takes_an_export_that_died_on_its_way(world: World) -> None:
    storage, exports = world.runtime.storage, world.runtime.parts[ExportService]
    died, step = True, 0
    while died:
        step += 1
        user_id, _ = await world.person(f"going{step}")
        export_id = (await exports.request(Actor(user_id=user_id))).unwrap().id
        died = await world.dies(step)
        assert await world.mortals.do(delete_account, str(user_id)) == "OK"
        await world.work()
        assert not await storage.exists(export_key(export_id))
        assert await world.rows("select 1 from identity_export where user_id = :id", id=user_id) == []
        assert len(await world.certified(user_id)) == 1
