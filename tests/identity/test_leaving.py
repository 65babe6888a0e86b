"""Pausing an account, and leaving for good: closed at once, erased everywhere, certified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import text

from plaza.audit import ChainService
from plaza.chat.schemas.invites import NewInviteLink
from plaza.chat.service.invite_links import InviteLinkService
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.personal_data import Erased, Person, PersonalDataHolders, Piece, lines
from plaza.core.result import Failure, ServiceResult, success
from plaza.core.service import Service, command
from plaza.identity import Origin, UserNotFound, UserService
from plaza.identity.schemas import (
    Certificate,
    CodeInput,
    DeactivateInput,
    EmailInput,
    IdentitySettings,
    LinkInput,
    PhoneCodeInput,
    ReasonInput,
)
from plaza.identity.service import (
    EmailChangeService,
    FormerContacts,
    IdentityData,
    ImpersonationService,
    LeavingService,
    LoginAttempts,
    PhoneService,
)
from plaza.identity.service.leaving import fingerprint_of
from tests.audit.builders import entries, sealed, verified
from tests.chat.builders import Chat, code_of
from tests.identity.builders import (
    PASSWORD,
    a_person,
    by_phone,
    code_for,
    codes_to,
    is_accepted,
    jobs_done,
    links_to,
    logged_in,
    mails_to,
    register,
)
from tests.identity.builders import Person as LoggedIn
from tests.identity.staff import somebody
from tests.support.clock import ManualClock
from tests.support.command_line import CommandLine
from tests.support.people import member
from tests.support.personal_data import tables_with
from tests.support.servers import TestServers
from tests.support.stage import Stage
from tests.support.waiting import eventually

EMAIL = "ada.lovelace@example.com"
NAME = "Augusta Ada"


async def rows(plaza: Stage, statement: str, **parameters: Any) -> list[Any]:
    async with plaza.runtime.db.reader.connect() as connection:
        return list((await connection.execute(text(statement), parameters)).all())


async def one(plaza: Stage, statement: str, **parameters: Any) -> Any:
    (row,) = await rows(plaza, statement, **parameters)
    return row


async def log_in(plaza: Stage, email: str = EMAIL) -> httpx.Response:
    return await plaza.client().post("/api/v1/auth/login", json={"identifier": email, "password": PASSWORD})


async def mistyped(plaza: Stage, identifier: str, **headers: str) -> httpx.Response:
    given = {"identifier": identifier, "password": "not the right one"}
    return await plaza.client(**headers).post("/api/v1/auth/login", json=given)


async def acted_as(plaza: Stage, helper: LoggedIn, whom: LoggedIn, reason: str, **headers: str) -> httpx.AsyncClient:
    """What the helper's browser would ask as that person."""
    origin = Origin(ip="198.51.100.7", user_agent=headers.get("User-Agent", "HelpDesk/1.0"))
    start = plaza[ImpersonationService].start
    view = (await start(helper.actor, whom.id, ReasonInput(reason=reason), origin)).unwrap()
    return plaza.client(view.access_token, **headers)


async def erased(plaza: Stage, user_id: UUID) -> Any:
    """The finished erasure's row."""

    async def is_complete() -> bool:
        found = await rows(plaza, "select completed_at from identity_erasure where user_id = :id", id=user_id)
        return bool(found) and found[0].completed_at is not None

    await eventually(is_complete)
    return await one(plaza, "select * from identity_erasure where user_id = :id", id=user_id)


async def certificate_of(plaza: Stage, erasure: Any) -> Certificate:
    steps = await rows(
        plaza,
        """select context, counts, finished_at from identity_erasure_step
        where erasure_id = :id order by finished_at, context""",
        id=erasure.id,
    )
    told = {
        "id": erasure.id,
        "user_id": erasure.user_id,
        "erase_texts": erasure.erase_texts,
        "requested_at": erasure.created_at,
        "completed_at": erasure.completed_at,
        "steps": [{"context": row.context, "counts": row.counts, "finished_at": row.finished_at} for row in steps],
    }
    return msgspec.convert(told, Certificate)


async def test_deactivating_ends_sessions_and_keeps_the_data(plaza: Stage) -> None:
    ada = await a_person(plaza, EMAIL, name=NAME)
    phone = await logged_in(plaza, EMAIL)
    http = plaza.client(ada.pair.access_token)

    answer = await http.post("/api/v1/auth/deactivate", json={"reason": "a break"})

    assert answer.status_code == 204, answer.text
    for token in (ada.pair.access_token, phone.pair.access_token):
        assert not await is_accepted(plaza, token)
    refused = await log_in(plaza)
    assert (refused.status_code, refused.json()["code"]) == (403, "ACCOUNT_DISABLED")
    refreshed = await plaza.client().post("/api/v1/auth/token/refresh", json={"refresh_token": ada.refresh_token})
    assert refreshed.status_code == 401
    user = await one(
        plaza, "select email, status, deleted_at, password_hash from identity_user where id = :id", id=ada.id
    )
    assert (user.email, user.status, user.deleted_at) == (EMAIL, "deactivated", None)
    assert user.password_hash is not None
    (entry,) = await entries(plaza, action="identity.user_deactivated")
    assert (entry.user_id, entry.actor_id, entry.after) == (ada.id, ada.id, {"reason": "a break"})
    assert entry.ip == "127.0.0.1"
    assert entry.user_agent is not None
    assert entry.user_agent.startswith("python-httpx/")


async def test_deactivating_needs_no_reason_and_refuses_a_long_one(plaza: Stage) -> None:
    ada = await member(plaza, "ada")
    refused = await ada.http.post("/api/v1/auth/deactivate", json={"reason": "x" * 501})
    assert (refused.status_code, refused.json()["code"]) == (400, "VALIDATION_ERROR")
    assert await is_accepted(plaza, ada.token)
    assert (await ada.http.post("/api/v1/auth/deactivate")).status_code == 204


async def test_deleting_closes_the_account_before_it_answers(plaza: Stage) -> None:
    ada = await a_person(plaza, EMAIL, name=NAME)
    http = plaza.client(ada.pair.access_token)

    answer = await http.delete("/api/v1/auth/user")

    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "queued"
    assert not await is_accepted(plaza, ada.pair.access_token)
    assert (await log_in(plaza)).status_code in (401, 403)
    assert (await http.delete("/api/v1/auth/user")).status_code == 401
    erasure = await erased(plaza, ada.id)
    assert str(erasure.id) == answer.json()["id"]
    refused = await log_in(plaza)
    assert (refused.status_code, refused.json()["code"]) == (401, "INVALID_CREDENTIALS")


async def test_deleting_needs_a_fresh_login(plaza: Stage, clock: ManualClock) -> None:
    ada = await a_person(plaza, EMAIL)
    clock.advance(timedelta(minutes=11))
    refused = await plaza.client(ada.pair.access_token).delete("/api/v1/auth/user")
    assert (refused.status_code, refused.json()["code"]) == (403, "STEP_UP_REQUIRED")
    assert await rows(plaza, "select 1 from identity_erasure") == []
    assert await is_accepted(plaza, ada.pair.access_token)


async def test_afterwards_nothing_leads_to_them_in_any_table(plaza: Stage) -> None:
    words = (EMAIL, NAME, "Firefox of Ada", "Lovelace", "St James Square")
    helper = await somebody(plaza, "helper", "manager")
    ada = await a_person(plaza, EMAIL, name=NAME)
    http = plaza.client(ada.pair.access_token, **{"User-Agent": "Firefox of Ada"})
    changed = {"username": "Countess", "first_name": "Ada", "last_name": "Lovelace", "bio": "Lives at St James Square"}
    assert (await http.patch("/api/v1/auth/profile", json=changed)).status_code == 200
    await register(plaza, EMAIL)  # a decoy, and a mail that the address is taken
    await mails_to(plaza, EMAIL, at_least=1)
    await log_in(plaza)
    for name in (EMAIL.upper(), "countess"):
        assert (await mistyped(plaza, name, **{"User-Agent": "Firefox of Ada"})).status_code == 401
    assert (await mistyped(plaza, "somebody-else")).status_code == 401
    acting = await acted_as(plaza, helper, ada, "Moved to St James Square")
    assert (await acting.patch("/api/v1/auth/profile", json={"bio": "Lives at St James Square"})).status_code == 200
    assert (await http.post("/api/v1/auth/exports", headers={"Idempotency-Key": "once"})).status_code == 202
    before = await tables_with(plaza, *words)
    assert {"identity_user", "identity_profile", "identity_session", "audit_entry", "notifications_delivery"} <= before

    assert (await http.delete("/api/v1/auth/user")).status_code == 202
    await erased(plaza, ada.id)
    await mails_to(plaza, EMAIL, at_least=1)

    async def is_forgotten() -> bool:
        return not await tables_with(plaza, *words, but={"notifications_outbox_item"})

    await eventually(is_forgotten)
    others = "select identifier_hash from identity_login_attempt where user_id is distinct from :id"
    (attempt,) = await rows(plaza, others, id=helper.id)
    assert attempt.identifier_hash == plaza[LoginAttempts].hashed("somebody-else"), "that was nobody"
    last = await one(plaza, "select subject, recipient from notifications_outbox_item")
    assert (last.recipient, last.subject) == (EMAIL, "Your Plaza account is gone")
    assert await tables_with(plaza, str(ada.id)) <= {
        "audit_entry",
        "core_job",
        "identity_user",
        "identity_session",
        "identity_erasure",
    }
    user = await one(plaza, "select * from identity_user where id = :id", id=ada.id)
    assert (user.email, user.phone, user.password_hash, user.status) == (None, None, None, "deactivated")


async def test_of_staff_nothing_stays_where_they_acted_as_others(plaza: Stage) -> None:
    helper, ada = await somebody(plaza, "helper", "manager"), await a_person(plaza, EMAIL, name=NAME)
    browser = {"User-Agent": "Firefox of the helper"}
    http = await acted_as(plaza, helper, ada, "Ticket 4711", **browser)
    assert (await http.patch("/api/v1/auth/profile", json={"bio": "Helped"})).status_code == 200
    words = ("Firefox of the helper", "198.51.100.7", "Ticket 4711")
    assert await tables_with(plaza, *words) == {"audit_entry", "identity_session"}
    await sealed(plaza)

    await delete(plaza, helper.actor)

    assert await tables_with(plaza, *words) == set()
    (entry,) = await entries(plaza, action="identity.impersonator_acted")
    assert (entry.erased, entry.actor_id, entry.impersonator_id) == (True, ada.id, helper.id)
    await sealed(plaza)
    assert (await verified(plaza)).broken is None
    assert await is_accepted(plaza, ada.pair.access_token)


async def test_refused_logins_are_found_by_earlier_contacts_and_under_earlier_secrets(plaza: Stage) -> None:
    ada = await moved(plaza)
    for contact in (FORMER, OLD_PHONE, EMAIL, "grace@example.com"):
        assert (await mistyped(plaza, contact)).status_code == 401
    db, clock, secret = plaza.runtime.db, plaza.clock, plaza.configuration.plaza.secret_key
    renewed = LoginAttempts(db, clock, plaza[IdentitySettings], Vault("the new secret", [secret]))
    person = Person(ada.id, (EMAIL, *await plaza[FormerContacts].of(ada.id)))
    (await plaza[LeavingService].deactivate(ada.actor, DeactivateInput())).unwrap()
    taken = (await IdentityData(db, clock, renewed).erase(person)).unwrap()
    assert taken.counts["login_attempt"] >= 3
    (left,) = await rows(plaza, "select identifier_hash from identity_login_attempt where user_id is null")
    assert left.identifier_hash == plaza[LoginAttempts].hashed("grace@example.com")


FORMER, OLD_PHONE, NEW_PHONE = "ada.byron@example.com", "+4915112345678", "+4915187654321"


async def moved(plaza: Stage) -> LoggedIn:
    """Somebody who has given up an address and a number, and whom both have been told something."""
    ada = await a_person(plaza, FORMER, name=NAME)
    (await plaza[EmailChangeService].ask(ada.actor, EmailInput(email=EMAIL))).unwrap()
    (code,) = await codes_to(plaza, EMAIL)
    (await plaza[EmailChangeService].confirm(ada.actor, CodeInput(code=code))).unwrap()
    for phone in (OLD_PHONE, NEW_PHONE):
        given = PhoneCodeInput(phone=phone, code=await code_for(plaza, ada, phone))
        (await plaza[PhoneService].change(ada.actor, given)).unwrap()
    await mails_to(plaza, FORMER)
    await mails_to(plaza, OLD_PHONE, at_least=2)
    await jobs_done(plaza)
    return ada


async def test_earlier_contacts_are_forgotten_too(plaza: Stage) -> None:
    ada = await moved(plaza)
    words = (EMAIL, FORMER, OLD_PHONE, NEW_PHONE)
    told = {row.recipient for row in await rows(plaza, "select recipient from notifications_delivery")}
    assert told == {*words, str(ada.id)}
    assert (await plaza.client(ada.pair.access_token).delete("/api/v1/auth/user")).status_code == 202
    await erased(plaza, ada.id)

    async def is_forgotten() -> bool:
        return not await tables_with(plaza, *words, but={"notifications_outbox_item"})

    await eventually(is_forgotten)
    last = await one(plaza, "select subject, recipient from notifications_outbox_item")
    assert (last.recipient, last.subject) == (EMAIL, "Your Plaza account is gone")


async def test_earlier_contacts_that_are_anothers_now_are_left_alone(plaza: Stage) -> None:
    ada = await moved(plaza)
    await a_person(plaza, FORMER, name="Somebody else")
    await by_phone(plaza, OLD_PHONE)
    assert (await plaza.client(ada.pair.access_token).delete("/api/v1/auth/user")).status_code == 202
    await erased(plaza, ada.id)
    await jobs_done(plaza)
    told = {row.recipient for row in await rows(plaza, "select recipient from notifications_delivery")}
    assert told >= {FORMER, OLD_PHONE}
    assert told.isdisjoint({EMAIL, NEW_PHONE})


async def test_a_number_that_an_undo_took_away_is_forgotten_too(plaza: Stage) -> None:
    ada = await a_person(plaza, FORMER, name=NAME)
    (await plaza[EmailChangeService].ask(ada.actor, EmailInput(email=EMAIL))).unwrap()
    (code,) = await codes_to(plaza, EMAIL)
    (await plaza[EmailChangeService].confirm(ada.actor, CodeInput(code=code))).unwrap()
    given = PhoneCodeInput(phone=OLD_PHONE, code=await code_for(plaza, ada, OLD_PHONE))
    plaza.clock.advance(timedelta(seconds=1))
    (await plaza[PhoneService].change(ada.actor, given)).unwrap()
    (link,) = await links_to(plaza, FORMER, "undo")
    (await plaza[EmailChangeService].undo(LinkInput(token=link))).unwrap()
    former = plaza[FormerContacts]
    assert await former.of(ada.id) == (OLD_PHONE, EMAIL)


async def test_the_certificate_tells_what_was_erased_where(plaza: Stage, clock: ManualClock) -> None:
    ada = await a_person(plaza, EMAIL)
    clock.advance(timedelta(seconds=1))
    await plaza.client(ada.pair.access_token).delete("/api/v1/auth/user")
    erasure = await erased(plaza, ada.id)

    certificate = await certificate_of(plaza, erasure)
    assert {step.context for step in certificate.steps} == set(plaza[PersonalDataHolders].by_context)
    counts = {step.context: step.counts for step in certificate.steps}
    assert counts["identity"]["user"] == 1
    assert counts["identity"]["sessions"] == 1
    assert counts["audit"]["entries"] > 0
    assert erasure.fingerprint == fingerprint_of(certificate)
    assert erasure.sealed_contacts is None
    (entry,) = await entries(plaza, action="identity.user_erased")
    assert entry.after == {"erasure_id": str(erasure.id), "fingerprint": erasure.fingerprint.hex()}
    assert entry.actor_id is None
    (requested,) = await entries(plaza, action="identity.user_deletion_requested")
    assert (requested.erased, requested.ip, requested.actor_id) == (True, None, ada.id)
    await sealed(plaza)
    found = await verified(plaza)
    assert found.broken is None
    assert found.erased > 0


async def test_the_last_message_goes_to_the_old_address_which_is_then_forgotten(plaza: Stage) -> None:
    ada = await a_person(plaza, EMAIL)
    await plaza.client(ada.pair.access_token).delete("/api/v1/auth/user")
    erasure = await erased(plaza, ada.id)
    (mail,) = await mails_to(plaza, EMAIL, at_least=1)
    assert str(erasure.id) in mail["body"]

    async def is_forgotten() -> bool:
        return await rows(plaza, "select recipient, state from notifications_delivery") == [("", "sent")]

    await eventually(is_forgotten)


async def test_the_address_is_free_for_a_new_account(plaza: Stage) -> None:
    ada = await a_person(plaza, EMAIL)
    await plaza.client(ada.pair.access_token).delete("/api/v1/auth/user")
    await erased(plaza, ada.id)
    again = await a_person(plaza, EMAIL, name="Somebody else")
    assert again.id != ada.id


async def test_a_session_stays_ended_although_its_row_is_nobodys(plaza: Stage) -> None:
    ada = await a_person(plaza, EMAIL)
    await plaza.client(ada.pair.access_token).delete("/api/v1/auth/user")
    await erased(plaza, ada.id)
    session = await one(plaza, "select * from identity_session where user_id = :id", id=ada.id)
    assert session.revoked_at is not None
    assert (session.ip, session.user_agent, session.device_name) == ("", "", "")
    assert await rows(plaza, "select 1 from identity_refresh_token where session_id = :id", id=session.id) == []


@pytest.fixture
def chat(plaza: Stage) -> Chat:
    return Chat(plaza)


async def delete(plaza: Stage, person: Any, *, erase_texts: bool = False) -> None:
    (await plaza[LeavingService].delete(person, erase_texts=erase_texts)).unwrap()
    await erased(plaza, person.user_id)


async def test_messages_stay_without_their_sender(plaza: Stage, chat: Chat) -> None:
    ada, grace, alan = await chat.people("Ada", "Grace", "Alan")
    group, direct = await chat.group(ada, grace, admins=(alan,)), await chat.direct(ada, grace)
    said = [await chat.say(ada, group, f"word {number}") for number in range(3)]
    reply = await chat.say(grace, group, "an answer", parent=said[0].id)
    await chat.say(ada, direct, "between us")

    await delete(plaza, ada)

    history = {each.id: each for each in await chat.history(grace, group)}
    assert [(history[each.id].content, history[each.id].sender_id) for each in said] == [
        ("word 0", None),
        ("word 1", None),
        ("word 2", None),
    ]
    assert history[reply.id].sender_id == grace.user_id
    assert history[said[0].id].reply_count == 1
    assert await chat.roles(grace, group) == {alan.user_id: "owner", grace.user_id: "member"}, "a group has an owner"
    texts = [each.content for each in await chat.history(grace, direct) if each.system is None]
    assert texts == ["between us"]
    view = await chat.view(grace, direct)
    assert view.peer is not None
    assert (view.participant_count, view.peer.display_name) == (1, "")
    assert await rows(plaza, "select 1 from chat_participant where user_id = :id", id=ada.user_id) == []


async def test_whom_they_removed_from_a_group_stays_out(plaza: Stage, chat: Chat) -> None:
    ada, grace, alan = await chat.people("Ada", "Grace", "Alan")
    group, links = await chat.group(ada, grace, alan), plaza[InviteLinkService]
    await chat.remove(ada, group, alan)
    await delete(plaza, ada)
    link = (await links.create(grace, group, NewInviteLink())).unwrap()
    assert code_of(await links.join(alan, link.code)) == "PERMISSION_DENIED"
    await chat.add(grace, group, alan)


async def test_texts_go_where_the_erasure_asks_for_it(plaza: Stage, chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    group = await chat.group(grace, ada)
    first = await chat.say(ada, group, "my secret")
    other = await chat.say(grace, group, "not hers", parent=first.id)

    await delete(plaza, ada, erase_texts=True)

    history = {each.id: each for each in await chat.history(grace, group)}
    assert (history[first.id].content, history[first.id].sender_id) == ("", None)
    assert history[first.id].deleted_at is not None
    assert history[other.id].content == "not hers"
    assert await tables_with(plaza, "my secret") == set()
    seqs = await rows(
        plaza,
        """select seq from chat_message where conversation_id = :id
        union all select seq from chat_change where conversation_id = :id order by 1""",
        id=group,
    )
    assert [row.seq for row in seqs] == list(range(1, len(seqs) + 1)), "whoever follows the log is told"


class Slow(Service):
    """A context with much to erase, whose first tries fail."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.left, self.failures, self.calls = 3, 2, 0

    async def export(self, person: Person) -> AsyncIterator[Piece]:
        yield lines("nothing", ())

    @command()
    async def erase(self, person: Person) -> ServiceResult[Erased]:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise ValueError("not now")
        self.left -= 1
        return success(Erased({"things": 10}, finished=self.left == 0))


@pytest.fixture
async def quiet(servers: TestServers) -> AsyncIterator[Stage]:
    """Without a worker: the test itself does the rounds."""
    database_url = await servers.another_database("leaving")
    async with Stage(database_url, servers.redis_url, worker=False) as stage:
        yield stage
        await stage.close_clients()


async def test_a_context_may_take_several_commands_and_tries(quiet: Stage) -> None:
    slow, holders, leaving = Slow(quiet.runtime.db), quiet[PersonalDataHolders], quiet[LeavingService]
    holders.by_context = {"slow": slow, **holders.by_context}
    ada = await a_person(quiet, EMAIL)
    made = (await leaving.delete(ada.actor)).unwrap()

    for _ in range(2):
        with pytest.raises(ValueError, match="not now"):
            await leaving.erase_next(made.id)
    assert await rows(quiet, "select 1 from identity_erasure_step") == []
    for count in (10, 20, 30):
        (await leaving.erase_next(made.id)).unwrap()
        (step,) = await rows(quiet, "select * from identity_erasure_step")
        assert (step.context, step.counts, step.finished_at is not None) == ("slow", {"things": count}, count == 30)
    for _ in range(len(holders.by_context)):
        assert await rows(quiet, "select 1 from identity_erasure where completed_at is not null") == []
        (await leaving.erase_next(made.id)).unwrap()

    erasure = await one(quiet, "select * from identity_erasure")
    assert (slow.calls, erasure.sealed_contacts) == (5, None)
    assert {step.context for step in (await certificate_of(quiet, erasure)).steps} == set(holders.by_context)


async def test_repeating_a_round_changes_nothing(plaza: Stage) -> None:
    ada = await a_person(plaza, EMAIL)
    made = (await plaza[LeavingService].delete(ada.actor)).unwrap()
    erasure = await erased(plaza, ada.id)
    (await plaza[LeavingService].erase_next(made.id)).unwrap()
    for holder in plaza[PersonalDataHolders].by_context.values():
        taken = (await holder.erase(Person(ada.id, (EMAIL,), erase_texts=True))).unwrap()
        assert taken.finished
        assert {name: count for name, count in taken.counts.items() if count} in (
            {},
            {"outbox_items": 1},
            {"entries": 1},
            {"jobs": 1},
        )
    assert await erased(plaza, ada.id) == erasure


async def test_the_last_superuser_stays(plaza: Stage, client: httpx.AsyncClient) -> None:
    (await plaza[UserService].create("root@example.com", PASSWORD, is_staff=True, is_superuser=True)).unwrap()
    root = await logged_in(plaza, "root@example.com")
    http = plaza.client(root.pair.access_token)
    for answer in (await http.delete("/api/v1/auth/user"), await http.post("/api/v1/auth/deactivate")):
        assert (answer.status_code, answer.json()["code"]) == (409, "LAST_SUPERUSER")
    assert await is_accepted(plaza, root.pair.access_token)


async def test_of_racing_calls_one_closes_the_account(plaza: Stage) -> None:
    ada = await a_person(plaza, EMAIL)
    http = plaza.client(ada.pair.access_token)
    answers = await asyncio.gather(*(http.delete("/api/v1/auth/user") for _ in range(5)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 202
    assert set(statuses[1:]) <= {401, 403}
    assert len(await rows(plaza, "select 1 from identity_erasure")) == 1
    assert (await plaza[ChainService].verify()).unwrap().broken is None


@pytest.mark.parametrize("status", ["pending", "active", "waitlisted", "deactivated", "banned"])
async def test_the_operator_erases_whoever_asked_by_letter(plaza: Stage, status: str) -> None:
    if status == "pending":
        await register(plaza, EMAIL)
        await mails_to(plaza, EMAIL, at_least=1)
        user_id = (await one(plaza, "select id from identity_user where email = :email", email=EMAIL)).id
    else:
        user_id = (await a_person(plaza, EMAIL)).id
        async with plaza.runtime.db.engine.begin() as connection:
            await connection.execute(
                text("update identity_user set status = :status, waitlisted_until = now() where id = :id"),
                {"status": status, "id": user_id},
            )
    (await plaza[LeavingService].delete_for(user_id)).unwrap()
    await erased(plaza, user_id)
    user = await one(plaza, "select email, status from identity_user where id = :id", id=user_id)
    assert (user.email, user.status) == (None, "deactivated")
    again = await plaza[LeavingService].delete_for(user_id)
    assert isinstance(again, Failure)
    assert isinstance(again.error, UserNotFound)


async def test_the_operators_command(plaza: Stage, servers: TestServers, tmp_path: Path) -> None:
    command = CommandLine(tmp_path, DATABASE_URL=servers.database_url, REDIS_URL=servers.redis_url)
    ada = await a_person(plaza, EMAIL)
    made, unknown = await command("users", "erase", str(ada.id)), await command("users", "erase", str(UUID(int=1)))
    plaza.clock.advance(timedelta(hours=1))  # the command's clock is the real one
    assert made.status == 0, made.err
    assert UUID(made.out.strip()) == (await erased(plaza, ada.id)).id
    assert (unknown.status, unknown.out) == (1, "")
    assert unknown.err.splitlines()[-1].startswith("USER_NOT_FOUND: ")
