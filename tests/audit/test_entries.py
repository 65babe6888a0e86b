"""What is written down, and who may read it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from plaza.audit import AuditEntry, AuditService, SecretInAudit
from plaza.audit.service.entries import AuditService as Entries
from plaza.core.correlation import correlated
from plaza.core.crypto import Sealed
from plaza.core.db import Database
from plaza.core.errors import NotFound
from plaza.core.ids import uuid7
from plaza.core.origin import coming_from
from plaza.core.result import ServiceResult
from plaza.core.service import Service, command
from plaza.identity import UserService
from tests.audit.builders import entries, sealed, somebody, tampering, told
from tests.support.clock import ManualClock
from tests.support.people import member
from tests.support.stage import Stage


async def test_an_entry_tells_who_what_when_where_and_how_it_was(plaza: Stage, clock: ManualClock) -> None:
    actor = somebody(session_id=uuid7(), impersonator_id=uuid7(), api_key_id=uuid7(), organization_id=uuid7())
    with coming_from("203.0.113.9", "curl/8.0"), correlated("a-request"):
        await told(plaza, actor, subject_id="7", before={"title": "Old"}, after={"title": "New", "since": clock.now()})

    (entry,) = await entries(plaza)
    assert (entry.action, entry.subject_type, entry.subject_id) == ("tests.thing_changed", "thing", "7")
    assert (entry.actor_id, entry.user_id, entry.session_id) == (actor.user_id, actor.user_id, actor.session_id)
    assert (entry.impersonator_id, entry.api_key_id) == (actor.impersonator_id, actor.api_key_id)
    assert (entry.organization_id, entry.at) == (actor.organization_id, clock.now())
    assert (entry.ip, entry.user_agent, entry.correlation_id) == ("203.0.113.9", "curl/8.0", "a-request")
    assert entry.before == {"title": "Old"}
    assert entry.after is not None
    assert entry.after["title"] == "New"
    assert entry.after["since"][:19] == clock.now().isoformat()[:19]
    assert (entry.erased, entry.position) == (False, None)


async def test_before_somebody_is_signed_in_the_entry_names_the_account(plaza: Stage) -> None:
    user_id = uuid7()
    await told(plaza, None, user_id=user_id)
    (entry,) = await entries(plaza, user_id=user_id)
    assert (entry.actor_id, entry.user_id) == (None, user_id)


class Careless(Service):
    def __init__(self, db: Database, audit: Entries) -> None:
        super().__init__(db)
        self.audit = audit

    @command(NotFound)
    async def change(self, *, fails: bool) -> ServiceResult[None]:
        told = await self.audit.record(
            AuditEntry(action="tests.tried", subject_type="thing", subject_id="1", actor=somebody())
        )
        if fails:
            raise NotFound
        return told


async def test_an_entry_stands_if_and_only_if_its_transaction_commits(plaza: Stage) -> None:
    careless = Careless(plaza.runtime.db, plaza[AuditService])
    await careless.change(fails=True)
    assert await entries(plaza) == []
    await careless.change(fails=False)
    assert [entry.action for entry in await entries(plaza)] == ["tests.tried"]


@pytest.mark.parametrize(
    "secret",
    [
        {"password": "x"},
        {"new_password": "x"},
        {"refreshToken": "x"},
        {"code": "123456"},
        {"api_key": "x"},
        {"code_hash": "x"},
        {"totp_secret": "x"},
        {"nested": {"otp": 123456}},
        {"data": b"bytes"},
        {"data": Sealed("x")},
    ],
    ids=str,
)
async def test_secrets_are_refused(plaza: Stage, secret: dict[str, object]) -> None:
    with pytest.raises(SecretInAudit):
        await told(plaza, somebody(), after=secret)
    assert await entries(plaza) == []


async def test_what_only_sounds_like_a_secret_is_not_one(plaza: Stage) -> None:
    harmless = {"has_password": True, "password": None, "token_version": 3, "key_id": "k1", "scopes": ["chat:read"]}
    await told(plaza, somebody(), after=harmless)
    (entry,) = await entries(plaza)
    assert entry.after == harmless


async def test_production_withholds_a_secret_instead_of_failing_the_person(plaza: Stage) -> None:
    plaza.runtime.db.strict = False
    try:
        await told(plaza, somebody(), after={"password": "x", "title": "New"})
    finally:
        plaza.runtime.db.strict = True
    (entry,) = await entries(plaza)
    assert entry.after == {"password": "[withheld]", "title": "New"}
    plaza.internal_errors.expect("secret_in_audit")


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_entry set action = 'tests.other'",
        "update audit_entry set ip = null",
        "update audit_entry set actor_id = null, ip = null, user_agent = null, before = null, after = null, salt = null",
        "update audit_entry set position = 7, personal_digest = '', digest = '', hash = '', mac = '', key_id = '', action = 'x'",
        "update audit_entry set position = 8, personal_digest = 'x', digest = 'x', hash = 'x', mac = 'x', key_id = 'x', at = now()",
        "delete from audit_entry",
        "truncate audit_entry",
    ],
)
@pytest.mark.parametrize("is_sealed", [False, True])
async def test_the_table_only_grows(plaza: Stage, statement: str, is_sealed: bool) -> None:
    await told(plaza, somebody(), after={"title": "New"})
    if is_sealed:
        await sealed(plaza)
    before = await entries(plaza)
    async with tampering(plaza) as connection:  # tests' own databases let rows go, to be empty for each
        for trigger in ("kept", "undeleted"):
            await connection.execute(text(f"alter table audit_entry enable trigger audit_entry_{trigger}"))
        with pytest.raises(DBAPIError, match="audit_entry only grows"):
            async with connection.begin_nested():
                await connection.execute(text(statement))
        await connection.execute(text("alter table audit_entry disable trigger audit_entry_undeleted"))
    assert await entries(plaza) == before


async def test_a_seal_and_an_erasure_are_not_taken_back(plaza: Stage) -> None:
    await told(plaza, somebody(), after={"title": "New"})
    await sealed(plaza)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(
            text("update audit_entry set ip = null, user_agent = null, before = null, after = null, salt = null")
        )
        for statement in (
            "update audit_entry set position = 2",
            "update audit_entry set position = null, personal_digest = null, digest = null, hash = null, mac = null, key_id = null",
            "update audit_entry set ip = '203.0.113.9', salt = 'x'",
        ):
            with pytest.raises(DBAPIError, match="audit_entry only grows"):
                async with connection.begin_nested():
                    await connection.execute(text(statement))
    (entry,) = await entries(plaza)
    assert (entry.position, entry.erased, entry.ip) == (1, True, None)


async def superuser(plaza: Stage) -> httpx.AsyncClient:
    await plaza[UserService].create("root@example.com", "a long enough lantern", is_staff=True, is_superuser=True)
    given = {"identifier": "root@example.com", "password": "a long enough lantern"}
    pair = (await plaza.client().post("/api/v1/auth/login", json=given)).json()
    return plaza.client(pair["access_token"])


async def test_staff_search(plaza: Stage, clock: ManualClock) -> None:
    ada, lovelace = somebody(), somebody()
    await told(plaza, ada, subject_id="1")
    clock.advance(timedelta(hours=1))
    await told(plaza, ada, action="tests.thing_removed", subject_id="2")
    clock.advance(timedelta(hours=1))
    await told(plaza, lovelace, subject_type="person", subject_id="1", user_id=ada.user_id)
    http = await superuser(plaza)

    async def found(**wanted: str) -> list[str]:
        answer = await http.get("/api/v1/admin/audit", params={"limit": "100", **wanted})
        assert answer.status_code == 200, answer.text
        return [
            f"{each['action']} {each['subject_type']} {each['subject_id']}"
            for each in answer.json()["items"]
            if each["action"].startswith("tests.")
        ]

    first, second, third = "tests.thing_changed thing 1", "tests.thing_removed thing 2", "tests.thing_changed person 1"
    assert await found() == [third, second, first]
    assert await found(actor_id=str(ada.user_id)) == [second, first]
    assert await found(user_id=str(ada.user_id)) == [third, second, first]
    assert await found(subject_type="thing", subject_id="1") == [first]
    assert await found(action="tests.thing_changed") == [third, first]
    after_first, before_third = clock.now() - timedelta(minutes=90), clock.now() - timedelta(minutes=30)
    assert await found(**{"from": after_first.isoformat(), "to": before_third.isoformat()}) == [second]
    assert await found(actor_id=str(UUID(int=1))) == []


async def test_pages_follow_each_other(plaza: Stage) -> None:
    actor = somebody()
    for number in range(5):
        await told(plaza, actor, subject_id=str(number))
    http = await superuser(plaza)
    seen, params = [], {"actor_id": str(actor.user_id), "limit": "2"}
    while True:
        page = (await http.get("/api/v1/admin/audit", params=params)).json()
        seen += [each["subject_id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == ["4", "3", "2", "1", "0"]
    wrong = await http.get("/api/v1/admin/audit", params={"cursor": "made-up"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "INVALID_CURSOR")


async def test_nobody_else_reads_it(plaza: Stage, client: httpx.AsyncClient) -> None:
    await told(plaza, somebody())
    ada = await member(plaza, "ada")
    refused = await ada.http.get("/api/v1/admin/audit")
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
    assert "items" not in refused.json()
    unknown = await client.get("/api/v1/admin/audit")
    assert (unknown.status_code, unknown.json()["code"]) == (401, "UNAUTHENTICATED")
