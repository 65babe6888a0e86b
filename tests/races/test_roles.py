"""Roles under real concurrency: several processes' worth of services, on connections of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from typing import Any

import pytest
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.core.db import Database
from plaza.core.result import ServiceResult
from plaza.identity import RoleService, SessionService, TokenService
from plaza.identity.errors import TokenStale
from plaza.identity.schemas import BanInput, DeactivateInput, GrantInput, LoginInput, NewApiKey, ReasonInput, RolePatch
from plaza.identity.service import ApiKeyService, ImpersonationService, LeavingService, LoginService, StaffService
from tests.identity.builders import HERE, PASSWORD, Person, a_person, is_accepted
from tests.identity.staff import a_role, code_of, logged_in_again, roles_of, somebody
from tests.support.locks import until_somebody_waits
from tests.support.stage import Stage, configuration_for


@pytest.fixture
async def other(plaza: Stage, database_url: str, redis_url: str) -> AsyncIterator[Runtime]:
    """A second process."""
    runtime = Runtime(configuration_for(database_url, redis_url), "api", clock=plaza.clock)
    yield runtime
    await runtime.close()


async def superusers(plaza: Stage) -> int:
    """Those who are it for good and can use the account."""
    async with plaza.runtime.db.reader.connect() as connection:
        found = await connection.execute(
            text(
                "select count(*) from identity_user u join identity_user_role h on h.user_id = u.id"
                " join identity_role r on r.id = h.role_id where r.name = 'superuser' and h.expires_at is null"
                " and u.status = 'active' and u.deleted_at is null"
            )
        )
        return int(found.scalar_one())


async def overtaken(
    plaza: Stage,
    first: Callable[[], Awaitable[ServiceResult[Any]]],
    second: Callable[[], Awaitable[ServiceResult[Any]]],
) -> ServiceResult[Any]:
    """What `second` answers, which began while the transaction of `first` was still open and had to wait for it."""
    later: list[asyncio.Task[ServiceResult[Any]]] = []

    async def start() -> ServiceResult[Any]:
        return await second()

    async def body() -> ServiceResult[Any]:
        result = await first()
        later.append(asyncio.create_task(start(), context=Context()))
        await until_somebody_waits(plaza[Database])
        return result

    (await plaza[Database].run(body)).unwrap()
    return await later[0]


async def test_superusers_who_unmake_each_other_at_once_leave_one(plaza: Stage, other: Runtime) -> None:
    for n in range(5):
        ada, eve = await somebody(plaza, f"ada{n}", "superuser"), await somebody(plaza, f"eve{n}", "superuser")
        here, there = plaza[RoleService], other.parts[RoleService]
        results = await asyncio.gather(
            here.revoke(ada.actor, eve.id, "superuser"), there.revoke(eve.actor, ada.id, "superuser")
        )
        assert sorted(map(code_of, results)) == ["", "PERMISSION_DENIED"]
        assert await superusers(plaza) == 1
        for each in (ada, eve):  # the next round begins without them
            async with plaza.runtime.db.engine.begin() as connection:
                await connection.execute(text("delete from identity_user_role where user_id = :id"), {"id": each.id})


async def test_the_last_two_superusers_do_not_both_go(plaza: Stage, other: Runtime) -> None:
    """By whatever way: closing the account, operators, bans."""
    for n in range(5):
        ada, eve = await somebody(plaza, f"ada{n}", "superuser"), await somebody(plaza, f"eve{n}", "superuser")
        results = await asyncio.gather(
            plaza[LeavingService].deactivate(ada.actor, DeactivateInput(reason="Enough")),
            other.parts[RoleService].withdraw(eve.id, "superuser"),
            other.parts[StaffService].ban(eve.actor, ada.id, BanInput(reason="Coup")),
            plaza[StaffService].ban(ada.actor, eve.id, BanInput(reason="Coup")),
            plaza[LeavingService].delete(eve.actor),
        )
        assert "" in map(code_of, results)
        assert await superusers(plaza) == 1
        async with plaza.runtime.db.engine.begin() as connection:
            await connection.execute(text("delete from identity_user_role"))


async def test_who_is_just_losing_the_power_to_grant_grants_nothing(plaza: Stage, other: Runtime) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    await a_role(plaza, boss, "granter", "users.roles", "users.read")
    granter = await somebody(plaza, "granter", "granter")
    refused = await overtaken(
        plaza,
        lambda: plaza[RoleService].revoke(boss.actor, granter.id, "granter"),
        lambda: other.parts[RoleService].grant(granter.actor, ada.id, GrantInput(role="staff")),
    )
    assert code_of(refused) == "PERMISSION_DENIED"
    assert await roles_of(plaza, ada) == []


async def test_a_role_that_is_just_growing_beyond_the_granters_reach_is_not_granted(
    plaza: Stage, other: Runtime
) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    await a_role(plaza, boss, "granter", "users.roles", "users.read")
    await a_role(plaza, boss, "helper", "users.read")
    granter = await somebody(plaza, "granter", "granter")
    refused = await overtaken(
        plaza,
        lambda: plaza[RoleService].change(boss.actor, "helper", RolePatch(permissions=["users.read", "users.ban"])),
        lambda: other.parts[RoleService].grant(granter.actor, ada.id, GrantInput(role="helper")),
    )
    assert code_of(refused) == "BEYOND_OWN_PERMISSIONS"
    assert await roles_of(plaza, ada) == []


async def test_a_role_that_is_just_being_removed_is_not_granted(plaza: Stage, other: Runtime) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    await a_role(plaza, boss, "helper", "users.read")
    refused = await overtaken(
        plaza,
        lambda: plaza[RoleService].delete(boss.actor, "helper"),
        lambda: other.parts[RoleService].grant(boss.actor, ada.id, GrantInput(role="helper")),
    )
    assert code_of(refused) == "ROLE_NOT_FOUND"


async def test_who_is_just_becoming_staff_is_not_banned_by_lesser_staff(plaza: Stage, other: Runtime) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    support = await somebody(plaza, "support", "support")
    refused = await overtaken(
        plaza,
        lambda: plaza[RoleService].grant(boss.actor, ada.id, GrantInput(role="manager")),
        lambda: other.parts[StaffService].ban(support.actor, ada.id, BanInput(reason="Spam")),
    )
    assert code_of(refused) == "BEYOND_OWN_PERMISSIONS"


async def test_who_is_just_becoming_staff_is_not_impersonated(plaza: Stage, other: Runtime) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    refused = await overtaken(
        plaza,
        lambda: plaza[RoleService].grant(boss.actor, ada.id, GrantInput(role="staff")),
        lambda: other.parts[ImpersonationService].start(boss.actor, ada.id, ReasonInput(reason="Ticket"), HERE),
    )
    assert code_of(refused) == "CANNOT_IMPERSONATE"


async def test_a_refresh_beside_a_change_of_roles_gives_no_token_that_lasts(plaza: Stage) -> None:
    """It does not wait for the change, so what it read is either new or stale from the start."""
    boss, helper = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "helper", "support")
    given: list[asyncio.Task[Person]] = []

    async def refresh() -> Person:
        pair = (await plaza[SessionService].refresh(helper.refresh_token, HERE)).unwrap()
        return Person(helper.id, helper.email, pair, await plaza[TokenService].authenticate(pair.access_token))

    async def body() -> ServiceResult[None]:
        result = await plaza[RoleService].revoke(boss.actor, helper.id, "support")
        given.append(asyncio.create_task(refresh(), context=Context()))
        await given[0]
        return result

    (await plaza[Database].run(body)).unwrap()
    old = await given[0]
    assert old.actor.may("users.ban")
    with pytest.raises(TokenStale):
        await plaza[TokenService].authenticate(old.pair.access_token)
    now = await logged_in_again(plaza, helper.id, helper.email)
    assert not now.actor.is_staff


async def test_a_login_beside_a_ban_is_refused_or_ended(plaza: Stage, other: Runtime) -> None:
    support = await somebody(plaza, "support", "support")
    for n in range(10):
        ada = await a_person(plaza, f"ada{n}@example.com")
        login, _ = await asyncio.gather(
            other.parts[LoginService].login(LoginInput(identifier=ada.email, password=PASSWORD), HERE),
            plaza[StaffService].ban(support.actor, ada.id, BanInput(reason="Spam")),
        )
        if code_of(login):
            assert code_of(login) == "ACCOUNT_DISABLED"
        else:
            assert not await is_accepted(plaza, login.unwrap().access_token)


async def test_of_racing_revocations_of_a_key_one_finds_it(plaza: Stage, other: Runtime) -> None:
    ada = await somebody(plaza, "ada")
    key = (await plaza[ApiKeyService].create(ada.actor, NewApiKey(name="x", scopes=["chat:read"]))).unwrap()
    results = await asyncio.gather(
        *(each.revoke(ada.actor, key.id) for each in (plaza[ApiKeyService], other.parts[ApiKeyService]) * 5)
    )
    assert sorted(map(code_of, results)) == ["", *["API_KEY_NOT_FOUND"] * 9]
