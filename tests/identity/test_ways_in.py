"""What counts as a way to log in, and that the last one stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from plaza.core.ids import uuid7
from plaza.core.result import Failure, ServiceResult, success
from plaza.core.service import Service, command
from plaza.domain_events.identity import UserId
from plaza.identity.models import DeviceKey, LinkedAccount, Passkey, User, Way
from plaza.identity.service import TokenService, WaysIn
from tests.identity.builders import a_person
from tests.support.callers import callers
from tests.support.people import member
from tests.support.stage import Stage

SET_UP = {"PLAZA_IDENTITY_OAUTH_GOOGLE_CLIENT_ID": "plaza", "PLAZA_IDENTITY_OAUTH_GITHUB_CLIENT_ID": "plaza"}


class Removal(Service):
    """Removes one linked account, as every owner of a way does."""

    def __init__(self, ways: WaysIn) -> None:
        super().__init__(ways.db)
        self.ways = ways

    @command(WaysIn.check_remains)
    async def of(self, user_id: UserId, id: UUID) -> ServiceResult[None]:
        (await self.ways.check_remains(user_id, without=[id])).unwrap()
        found = await self.db.session.get(LinkedAccount, id)
        await self.db.session.delete(found)
        return success(None)


async def write(plaza: Stage, *statements: Any) -> None:
    async with plaza.runtime.db.engine.begin() as connection:
        for statement in statements:
            await connection.execute(statement)


async def somebody(plaza: Stage, **columns: Any) -> UserId:
    """Without any way to log in, but for what `columns` of their row give."""
    person = await member(plaza, "ada")
    await write(plaza, update(User).values(**{"email_vouched_by": "google", **columns}))
    return person.id


async def linked(plaza: Stage, user_id: UserId, provider: str) -> UUID:
    id = uuid7()
    row = {"id": id, "user_id": user_id, "provider": provider, "provider_user_id": str(id), "version": 1}
    await write(plaza, insert(LinkedAccount).values(**row, created_at=plaza.clock.now()))
    return id


async def outcome(ways: WaysIn, user_id: UserId, *without: UUID | Way) -> str:
    result = await ways.check_remains(user_id, without=without)
    return result.error.code if isinstance(result, Failure) else "OK"


async def test_an_account_without_any_way_is_told_so(plaza: Stage, ways: WaysIn) -> None:
    assert await outcome(ways, await somebody(plaza)) == "LAST_LOGIN_METHOD"


@pytest.mark.parametrize(
    ("way", "columns"),
    [
        (Way.PASSWORD, {"password_hash": "$argon2id$"}),
        (Way.EMAIL, {"email_vouched_by": None}),
        (Way.PHONE, {"phone": "+4915123456789", "phone_verified_at": datetime.fromisoformat("2026-01-01T00:00:00Z")}),
    ],
)
async def test_what_the_account_itself_holds_counts_until_it_goes(
    plaza: Stage, ways: WaysIn, way: Way, columns: dict[str, Any]
) -> None:
    ada = await somebody(plaza, **columns)
    assert await outcome(ways, ada) == "OK"
    assert await outcome(ways, ada, way) == "LAST_LOGIN_METHOD"


async def test_a_number_that_is_not_proved_does_not_count(plaza: Stage, ways: WaysIn) -> None:
    assert await outcome(ways, await somebody(plaza, phone="+4915123456789")) == "LAST_LOGIN_METHOD"


@pytest.fixture
async def ways(plaza: Stage) -> AsyncIterator[WaysIn]:
    """Where Google and GitHub are set up."""
    async with callers(plaza, **SET_UP) as api:
        yield api.runtime.parts[WaysIn]


async def test_each_key_and_each_linked_account_is_a_way(plaza: Stage, ways: WaysIn) -> None:
    ada, now = await somebody(plaza), plaza.clock.now()
    passkey, device = uuid7(), uuid7()
    common = {"user_id": ada, "version": 1, "created_at": now, "public_key": b"key"}
    await write(
        plaza,
        insert(Passkey).values(
            **common,
            id=passkey,
            credential_id=b"id",
            sign_count=0,
            aaguid=uuid7(),
            backup_eligible=False,
            backed_up=False,
            name="Phone",
        ),
        insert(DeviceKey).values(**common, id=device, device_name="Phone"),
    )
    assert await outcome(ways, ada, device) == await outcome(ways, ada, passkey) == "OK"
    assert await outcome(ways, ada, device, passkey) == "LAST_LOGIN_METHOD"
    account = await linked(plaza, ada, "google")
    assert await outcome(ways, ada, device, passkey) == "OK"
    assert await outcome(ways, ada, device, passkey, account) == "LAST_LOGIN_METHOD"


async def test_somebody_is_told_which_of_their_ways_work(plaza: Stage) -> None:
    ada, other = await a_person(plaza), await a_person(plaza, "grace@example.com")
    await linked(plaza, ada.id, "oidc:gone")
    await linked(plaza, other.id, "oidc:gone")
    http = plaza.client(ada.pair.access_token)
    own = [{"way": way, "id": None, "provider": None} for way in ("password", "email")]
    assert (await http.get("/api/v1/auth/ways-in")).json() == {"items": own, "next_cursor": None}
    async with callers(plaza, **SET_UP) as api:
        account = await linked(plaza, ada.id, "github")
        actor = await api.runtime.parts[TokenService].authenticate(ada.pair.access_token)
        found = (await api.runtime.parts[WaysIn].mine(actor)).unwrap().items
    assert [(each.way, each.id, each.provider) for each in found[2:]] == [(Way.LINKED_ACCOUNT, account, "github")]


async def test_an_account_at_a_provider_that_is_not_set_up_any_more_does_not_count(plaza: Stage, ways: WaysIn) -> None:
    ada = await somebody(plaza)
    await linked(plaza, ada, "oidc:gone")
    await linked(plaza, ada, "jwt:gone")
    assert await outcome(ways, ada) == "LAST_LOGIN_METHOD"


async def test_of_two_removals_at_once_the_second_sees_what_the_first_left(plaza: Stage, ways: WaysIn) -> None:
    ada = await somebody(plaza)
    accounts = [await linked(plaza, ada, provider) for provider in ("google", "github")]
    removal = Removal(ways)
    results = await asyncio.gather(*(removal.of(ada, id) for id in accounts))
    assert sorted(isinstance(each, Failure) for each in results) == [False, True]
    assert len(await ways.ways.of(ada)) == 1
