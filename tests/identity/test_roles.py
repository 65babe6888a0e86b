"""Who may do what, who may give it, and that it is in effect at once."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from plaza.core.actor import Permission
from plaza.core.errors import Unauthenticated
from plaza.identity import SessionService, TokenService
from plaza.identity.errors import TokenStale
from plaza.identity.schemas import PERMISSIONS, NewRole, RolePatch
from plaza.identity.service import RoleService
from tests.identity.builders import HERE, Person
from tests.identity.staff import a_role, audited, code_of, give, logged_in_again, roles_of, somebody
from tests.identity.test_revocation import another_process
from tests.support.clock import ManualClock
from tests.support.stage import Stage
from tests.support.statements import statements
from tests.support.waiting import eventually

BUILT_IN = ["admin", "customer", "manager", "staff", "superuser", "support", "vendor"]


async def refreshed(plaza: Stage, person: Person) -> Person:
    pair = (await plaza[SessionService].refresh(person.refresh_token, HERE)).unwrap()
    return Person(person.id, person.email, pair, await plaza[TokenService].authenticate(pair.access_token))


async def is_stale(tokens: TokenService, person: Person) -> bool:
    try:
        await tokens.authenticate(person.pair.access_token)
    except TokenStale:
        return True
    return False


async def test_a_new_installation_has_the_roles_and_permissions_that_are_declared(plaza: Stage) -> None:
    """A permission that is new in the code is given to the built-in roles by the migration that comes with it."""
    roles = {each.name: each for each in (await plaza[RoleService].all()).unwrap().items}
    declared = plaza[RoleService].catalogue.values()
    assert sorted(roles) == BUILT_IN
    assert all(each.is_builtin for each in roles.values())
    for name, role in roles.items():
        expected = {each.name for each in declared if name == "admin" or name in each.roles}
        assert set(role.permissions) == expected, f"{name}: a migration has to insert into identity_role_permission"


def test_permissions_are_named_like_things_and_deeds() -> None:
    for wrong in ("users", "Users.read", "users.read.all", "users read", ".read", "users."):
        with pytest.raises(ValueError, match="no name of a permission"):
            Permission(wrong, "")


async def test_rights_ride_on_the_token(plaza: Stage) -> None:
    boss, helper, nobody = [await somebody(plaza, *each) for each in (("b", "superuser"), ("h", "support"), ("n",))]
    assert boss.actor.is_superuser
    assert boss.actor.may("anything.at_all")
    assert boss.actor.permissions == frozenset()
    assert helper.actor.permissions >= {"users.ban", "users.read", "users.sessions"}
    assert (helper.actor.is_staff, helper.pair.user.is_staff, helper.actor.is_superuser) == (True, True, False)
    assert (nobody.actor.is_staff, nobody.pair.user.is_staff, nobody.actor.permissions) == (False, False, frozenset())


async def test_a_role_without_permissions_makes_nobody_staff(plaza: Stage) -> None:
    seller = await somebody(plaza, "seller", "vendor", "customer")
    assert not seller.actor.is_staff
    assert not seller.pair.user.is_staff


async def test_a_change_makes_tokens_stale_in_every_process_and_a_refresh_answers_what_counts_now(plaza: Stage) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    async with another_process(plaza) as other:
        tokens = other.parts[TokenService]
        assert not await is_stale(tokens, ada)
        assert await give(plaza, boss.actor, ada, "support") == ""
        assert await is_stale(plaza[TokenService], ada)
        await eventually(lambda: is_stale(tokens, ada))
        staff = await refreshed(plaza, ada)
        assert staff.actor.may("users.ban")
        assert not await is_stale(tokens, staff)
        (await plaza[RoleService].revoke(boss.actor, ada.id, "support")).unwrap()
        await eventually(lambda: is_stale(tokens, staff))
    assert not (await refreshed(plaza, staff)).actor.may("users.ban")


async def test_a_changed_role_reaches_all_who_hold_it(plaza: Stage) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    await a_role(plaza, boss, "greeter", "users.read")
    people = [await somebody(plaza, f"p{n}", "greeter") for n in range(3)]
    other = await somebody(plaza, "other", "support")
    (await plaza[RoleService].change(boss.actor, "greeter", RolePatch(permissions=[]))).unwrap()
    for each in people:
        assert await is_stale(plaza[TokenService], each)
        now = await refreshed(plaza, each)
        assert (now.actor.permissions, now.actor.is_staff, now.pair.user.is_staff) == (frozenset(), False, False)
    assert not await is_stale(plaza[TokenService], other)


async def test_a_description_makes_nothing_stale(plaza: Stage) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    helper = await somebody(plaza, "helper", "support")
    (await plaza[RoleService].change(boss.actor, "support", RolePatch(description="Answers mail"))).unwrap()
    assert not await is_stale(plaza[TokenService], helper)


async def test_an_access_token_does_not_outlive_the_grant(plaza: Stage, clock: ManualClock) -> None:
    ada = await somebody(plaza, "ada", "support", until=clock.now() + timedelta(minutes=5))
    assert ada.pair.expires_in <= 300
    clock.advance(timedelta(minutes=5))
    with pytest.raises(Unauthenticated):
        await plaza[TokenService].authenticate(ada.pair.access_token)
    now = await refreshed(plaza, ada)
    assert (now.actor.permissions, now.pair.user.is_staff) == (frozenset(), False)
    assert now.pair.expires_in == 900
    assert await roles_of(plaza, ada) == ["support"]  # the sweep has not been yet
    (await plaza[RoleService].expire()).unwrap()
    assert await roles_of(plaza, ada) == []
    (row,) = await audited(plaza, "identity.role_expired")
    assert (row.user_id, row.actor_id, row.before) == (ada.id, None, {"role": "support"})


async def test_the_longer_of_two_grants_does_not_shorten_the_other(plaza: Stage, clock: ManualClock) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    ada = await somebody(plaza, "ada", "staff")
    assert await give(plaza, boss.actor, ada, "support", clock.now() + timedelta(minutes=1)) == ""
    soon = await refreshed(plaza, ada)
    assert soon.pair.expires_in <= 60
    clock.advance(timedelta(minutes=1))
    assert (await refreshed(plaza, soon)).actor.permissions == {"users.read"}


async def test_a_grant_can_be_prolonged_and_made_permanent(plaza: Stage, clock: ManualClock) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    for until in (clock.now() + timedelta(days=1), clock.now() + timedelta(days=2), None):
        assert await give(plaza, boss.actor, ada, "support", until) == ""
    assert await roles_of(plaza, ada) == ["support"]
    first, second, third = [each for each in await audited(plaza, "identity.role_granted") if each.actor_id == boss.id]
    assert first.before is None
    assert second.before == first.after
    assert third.after == {"role": "support", "expires_at": None}


async def test_a_grant_that_is_over_already_is_refused(plaza: Stage, clock: ManualClock) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    assert await give(plaza, boss.actor, ada, "support", clock.now()) == "VALIDATION_ERROR"
    assert await roles_of(plaza, ada) == []


async def test_nobody_hands_out_or_takes_away_what_they_do_not_hold(plaza: Stage) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    await a_role(plaza, boss, "granter", "users.roles", "users.read")
    await a_role(plaza, boss, "reader", "users.read")
    granter = await somebody(plaza, "granter", "granter")
    assert await give(plaza, granter.actor, ada, "support") == "BEYOND_OWN_PERMISSIONS"
    assert await give(plaza, granter.actor, ada, "reader") == ""
    assert await roles_of(plaza, ada) == ["reader"]
    helper = await somebody(plaza, "helper", "support")
    assert code_of(await plaza[RoleService].revoke(granter.actor, helper.id, "support")) == "BEYOND_OWN_PERMISSIONS"
    assert await roles_of(plaza, helper) == ["support"]


@pytest.mark.parametrize("role", ["superuser", "admin", "keymaker"])
async def test_only_superusers_make_and_unmake_those_who_can_make_others(plaza: Stage, role: str) -> None:
    boss, admin, ada = [await somebody(plaza, *each) for each in (("boss", "superuser"), ("chief", "admin"), ("ada",))]
    await a_role(plaza, boss, "keymaker", "users.roles")
    assert await give(plaza, admin.actor, ada, role) == "BEYOND_OWN_PERMISSIONS"
    assert await roles_of(plaza, ada) == []
    assert await give(plaza, boss.actor, ada, role) == ""
    assert code_of(await plaza[RoleService].revoke(admin.actor, ada.id, role)) == "BEYOND_OWN_PERMISSIONS"
    assert await roles_of(plaza, ada) == [role]
    (await plaza[RoleService].revoke(boss.actor, ada.id, role)).unwrap()
    assert await roles_of(plaza, ada) == []


async def test_an_admin_cannot_make_an_admin_of_another_name(plaza: Stage) -> None:
    await somebody(plaza, "boss", "superuser")
    admin = await somebody(plaza, "chief", "admin")
    new = NewRole(name="chief2", permissions=[each.name for each in PERMISSIONS])
    assert code_of(await plaza[RoleService].create(admin.actor, new)) == "BEYOND_OWN_PERMISSIONS"
    patch = RolePatch(permissions=["users.roles"])
    assert code_of(await plaza[RoleService].change(admin.actor, "vendor", patch)) == "BEYOND_OWN_PERMISSIONS"
    assert code_of(await plaza[RoleService].change(admin.actor, "admin", patch)) == "BEYOND_OWN_PERMISSIONS"
    assert [each.name for each in (await plaza[RoleService].all()).unwrap().items] == BUILT_IN


async def test_nobody_changes_their_own_roles(plaza: Stage) -> None:
    boss = await somebody(plaza, "boss", "superuser", "support")
    assert await give(plaza, boss.actor, boss, "admin") == "OWN_ACCOUNT"
    assert code_of(await plaza[RoleService].revoke(boss.actor, boss.id, "support")) == "OWN_ACCOUNT"
    assert await roles_of(plaza, boss) == ["superuser", "support"]


async def test_what_the_token_says_is_not_believed_when_rights_are_handed_out(plaza: Stage) -> None:
    boss, old, ada = [
        await somebody(plaza, n, *r) for n, r in (("boss", ["superuser"]), ("old", ["superuser"]), ("ada", []))
    ]
    (await plaza[RoleService].revoke(boss.actor, old.id, "superuser")).unwrap()
    assert old.actor.is_superuser  # as its token still says
    assert await give(plaza, old.actor, ada, "staff") == "PERMISSION_DENIED"
    assert await roles_of(plaza, ada) == []


async def test_the_last_superuser_stays(plaza: Stage, clock: ManualClock) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    roles = plaza[RoleService]
    assert code_of(await roles.withdraw(boss.id, "superuser")) == "LAST_SUPERUSER"
    soon = clock.now() + timedelta(days=1)
    assert code_of(await roles.assign(boss.id, "superuser", soon)) == "LAST_SUPERUSER"
    await somebody(plaza, "deputy", "superuser", until=soon)  # who will not be one for good
    assert code_of(await roles.withdraw(boss.id, "superuser")) == "LAST_SUPERUSER"
    other = await somebody(plaza, "other", "superuser")
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text("update identity_user set status = 'banned' where id = :id"), {"id": other.id})
    assert code_of(await roles.withdraw(boss.id, "superuser")) == "LAST_SUPERUSER"
    assert await roles_of(plaza, boss) == ["superuser"]
    await somebody(plaza, "third", "superuser")
    (await roles.withdraw(boss.id, "superuser")).unwrap()
    assert await roles_of(plaza, boss) == []


async def test_taking_what_is_not_held_changes_nothing(plaza: Stage) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    (await plaza[RoleService].revoke(boss.actor, ada.id, "support")).unwrap()
    assert not await is_stale(plaza[TokenService], ada)
    assert await audited(plaza, "identity.role_revoked") == []


async def test_built_in_roles_stay_and_the_superuser_needs_no_permissions(plaza: Stage) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    roles = plaza[RoleService]
    assert code_of(await roles.delete(boss.actor, "vendor")) == "ROLE_BUILT_IN"
    assert (
        code_of(await roles.change(boss.actor, "superuser", RolePatch(permissions=["users.read"]))) == "ROLE_BUILT_IN"
    )
    assert code_of(await roles.delete(boss.actor, "nobody")) == "ROLE_NOT_FOUND"
    assert [each.name for each in (await roles.all()).unwrap().items] == BUILT_IN


async def test_a_role_that_somebody_holds_is_not_removed(plaza: Stage) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    await a_role(plaza, boss, "greeter", "users.read")
    ada = await somebody(plaza, "ada", "greeter")
    roles = plaza[RoleService]
    assert code_of(await roles.delete(boss.actor, "greeter")) == "ROLE_IN_USE"
    (await roles.revoke(boss.actor, ada.id, "greeter")).unwrap()
    (await roles.delete(boss.actor, "greeter")).unwrap()
    assert [each.name for each in (await roles.all()).unwrap().items] == BUILT_IN
    (gone,) = await audited(plaza, "identity.role_deleted")
    assert gone.before == {"name": "greeter", "description": "", "permissions": ["users.read"]}


async def test_roles_over_http(plaza: Stage) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    http = plaza.client(boss.pair.access_token)
    made = await http.post(
        "/api/v1/admin/roles", json={"name": "greeter", "description": "Says hello", "permissions": ["users.read"]}
    )
    assert (made.status_code, made.json()) == (
        201,
        {
            "name": "greeter",
            "description": "Says hello",
            "is_builtin": False,
            "permissions": ["users.read"],
            "holders": 0,
        },
    )
    assert await give(plaza, boss.actor, ada, "greeter") == ""
    taken = await http.post("/api/v1/admin/roles", json={"name": "greeter"})
    assert (taken.status_code, taken.json()["code"]) == (409, "ROLE_NAME_TAKEN")
    unknown = await http.post("/api/v1/admin/roles", json={"name": "other", "permissions": ["users.fly"]})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "PERMISSION_UNKNOWN")
    misshapen = await http.post("/api/v1/admin/roles", json={"name": "Other One"})
    assert (misshapen.status_code, misshapen.json()["code"]) == (400, "VALIDATION_ERROR")
    listed = {each["name"]: each for each in (await http.get("/api/v1/admin/roles")).json()["items"]}
    assert listed["greeter"]["holders"] == 1
    changed = await http.patch("/api/v1/admin/roles/greeter", json={"permissions": ["users.read", "users.ban"]})
    assert changed.json()["permissions"] == ["users.ban", "users.read"]
    (row,) = await audited(plaza, "identity.role_changed")
    assert (row.before["permissions"], row.after["permissions"]) == (["users.read"], ["users.ban", "users.read"])
    assert (row.actor_id, row.subject_id) == (boss.id, "greeter")
    permissions = (await http.get("/api/v1/admin/permissions")).json()["items"]
    assert {"name": "users.ban", "description": "Ban people, and lift bans"} in permissions
    assert (await http.delete("/api/v1/admin/roles/greeter")).json()["code"] == "ROLE_IN_USE"


async def test_a_refused_role_leaves_no_trace(plaza: Stage) -> None:
    await somebody(plaza, "boss", "superuser")
    manager = await somebody(plaza, "manager", "manager")
    http: httpx.AsyncClient = plaza.client(manager.pair.access_token)
    refused = await http.post("/api/v1/admin/roles", json={"name": "greeter"})
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
    assert await audited(plaza, "identity.role_created") == []
    assert len((await http.get("/api/v1/admin/roles")).json()["items"]) == len(BUILT_IN)


async def test_customers_log_in_without_a_look_at_roles(plaza: Stage) -> None:
    ada = await somebody(plaza, "ada")
    with statements(plaza.runtime.db) as sent:
        await logged_in_again(plaza, ada.id, ada.email)
    assert not [each for each in sent if "identity_role" in each]
