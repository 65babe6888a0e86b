"""Staff whose sessions an outside issuer keeps: the mapped roles hold on every path, and are all that they have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextvars import Context

import httpx
import pytest

from plaza.domain_events.identity import UserId
from plaza.identity.schemas import GrantInput, ReasonInput, RolePatch
from plaza.identity.service import ImpersonationService, OutsideSessionService, RoleService
from tests.identity.builders import HERE, Person, is_accepted
from tests.identity.issuer import actor_of, refusal, stytch, token
from tests.identity.outside import World, variables
from tests.identity.provider import serving
from tests.identity.staff import audited, code_of, somebody
from tests.support.callers import callers
from tests.support.stage import Stage
from tests.support.waiting import eventually

PEOPLE = "/api/v1/admin/users"
SUPPORT = ("stytch_admin",)


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with serving(plaza.clock) as provider, callers(plaza, **variables(provider), **stytch(provider)) as api:
        yield World(plaza, provider, api)


async def asked(world: World, method: str, path: str, **given: str) -> httpx.Response:
    """By somebody whom the issuer calls a member of support."""
    async with world.api.at(token=token(world, roles=SUPPORT)) as http:
        return await http.request(method, f"{PEOPLE}/{path}", json=given or None)


async def ban(world: World, person: Person) -> httpx.Response:
    return await asked(world, "POST", f"{person.id}/ban", reason="Sends spam")


async def permissions_of(world: World, role: str) -> set[str]:
    found = (await world.stage[RoleService].all()).unwrap().items
    (permissions,) = [each.permissions for each in found if each.name == role]
    return set(permissions)


async def take(world: World, boss: Person, permission: str, *, by: RoleService) -> None:
    """From the role of support."""
    left = await permissions_of(world, "support") - {permission}
    (await by.change(boss.actor, "support", RolePatch(permissions=sorted(left)))).unwrap()


async def test_a_mapped_role_acts_where_a_granted_one_would(world: World) -> None:
    ada = await somebody(world.stage, "grace")
    answer = await ban(world, ada)
    assert (answer.status_code, answer.json()["status"]) == (200, "banned"), answer.text

    async def is_out() -> bool:
        return not await is_accepted(world.stage, ada.pair.access_token)

    await eventually(is_out)  # another process: it hears of it
    (row,) = await audited(world.stage, "identity.user_banned")
    assert row.actor_id == (await actor_of(world, token(world, roles=SUPPORT))).user_id
    answer = await asked(world, "POST", f"{ada.id}/unban")
    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert (await asked(world, "DELETE", f"{ada.id}/sessions")).status_code == 204


async def test_it_reaches_no_further_than_a_granted_one(world: World) -> None:
    manager = await somebody(world.stage, "grace", "manager")
    refused = await ban(world, manager)
    assert (refused.status_code, refused.json()["code"]) == (403, "BEYOND_OWN_PERMISSIONS")
    assert await is_accepted(world.stage, manager.pair.access_token)


async def test_a_superuser_here_may_do_no_more_than_their_token_says(world: World) -> None:
    ada = await actor_of(world, token(world, roles=SUPPORT))
    (await world.stage[RoleService].assign(UserId(ada.user_id), "superuser")).unwrap()
    manager, roles = await somebody(world.stage, "grace", "manager"), world[RoleService]
    ada = await actor_of(world, token(world, roles=SUPPORT))
    assert code_of(await roles.grant(ada, manager.id, GrantInput(role="support"))) == "PERMISSION_DENIED"
    assert code_of(await roles.change(ada, "support", RolePatch(permissions=[]))) == "PERMISSION_DENIED"
    refused = await ban(world, manager)
    assert (refused.status_code, refused.json()["code"]) == (403, "BEYOND_OWN_PERMISSIONS")
    plain = await actor_of(world, token(world, session="s-2"))
    assert code_of(await roles.check_reach(plain, manager.id, "users.ban")) == "PERMISSION_DENIED"


async def test_a_permission_that_the_role_loses_is_gone_at_once(world: World) -> None:
    boss, grace = await somebody(world.stage, "boss", "superuser"), await somebody(world.stage, "grace")
    bearer = token(world, roles=SUPPORT)
    assert "users.ban" in (await actor_of(world, bearer)).permissions
    await take(world, boss, "users.ban", by=world[RoleService])
    refused = await ban(world, grace)
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
    assert (await actor_of(world, bearer)).permissions == await permissions_of(world, "support")


async def test_and_in_every_other_process(world: World) -> None:
    boss, bearer = await somebody(world.stage, "boss", "superuser"), token(world, roles=SUPPORT)
    listening = asyncio.create_task(world.api.runtime.listener.run())
    try:
        watch = world[OutsideSessionService].role_watch

        async def is_listening() -> bool:
            return watch.changes > 0

        await eventually(is_listening)
        assert "users.ban" in (await actor_of(world, bearer)).permissions
        await take(world, boss, "users.ban", by=world.stage[RoleService])

        async def is_gone() -> bool:
            return "users.ban" not in (await actor_of(world, bearer)).permissions

        await eventually(is_gone)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_what_was_read_just_before_a_change_is_not_believed_for_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss, bearer = await somebody(world.stage, "boss", "superuser"), token(world, roles=SUPPORT)
    rows = world[OutsideSessionService].roles
    permissions_of_roles = rows.permissions_of_roles

    async def slow(names: Collection[str]) -> frozenset[str]:
        found = await permissions_of_roles(names)
        monkeypatch.undo()
        taken = take(world, boss, "users.ban", by=world[RoleService])
        await asyncio.create_task(taken, context=Context())
        return found

    monkeypatch.setattr(rows, "permissions_of_roles", slow)
    assert "users.ban" in (await actor_of(world, bearer)).permissions
    assert "users.ban" not in (await actor_of(world, bearer)).permissions


async def test_who_may_no_longer_impersonate_by_it_is_nobody_else_any_more(world: World) -> None:
    boss, manager = await somebody(world.stage, "boss", "superuser"), await somebody(world.stage, "m", "manager")
    grace, roles, acting = await somebody(world.stage, "grace"), world[RoleService], world[ImpersonationService]
    wanted = sorted({*await permissions_of(world, "support"), "users.impersonate"})
    (await roles.change(boss.actor, "support", RolePatch(permissions=wanted))).unwrap()
    ada, why = await actor_of(world, token(world, roles=SUPPORT)), ReasonInput(reason="A question")
    by_token, by_grant = [
        (await acting.start(each, grace.id, why, HERE)).unwrap().access_token for each in (ada, manager.actor)
    ]
    assert await refusal(world, by_token) is None
    await take(world, boss, "users.impersonate", by=roles)
    assert await refusal(world, by_token) == "UNAUTHENTICATED"
    assert await refusal(world, by_grant) is None
