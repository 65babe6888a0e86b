"""What staff do about people: search, ban, close, end sessions; within reach, with a reason, in the audit log."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from plaza.core.db import PageRequest
from plaza.core.errors import Unauthenticated
from plaza.domain_events.identity import SessionId
from plaza.identity import ProfileService, SessionService, TokenService
from plaza.identity.models import UserStatus
from plaza.identity.models.users import SEARCHED
from plaza.identity.schemas import (
    BanInput,
    DeactivateInput,
    ProfilePatch,
    Proof,
    ReasonInput,
    StaffUserView,
    UserSearch,
)
from plaza.identity.service import ImpersonationService, LeavingService, LoginGate, RoleService, StaffService
from tests.identity.builders import HERE, Person, is_accepted, register
from tests.identity.staff import a_role, audited, code_of, logged_in_again, somebody
from tests.support.callers import callers
from tests.support.clock import ManualClock
from tests.support.stage import Stage
from tests.support.waiting import eventually

SPAM = BanInput(reason="Sends spam")


async def status_of(plaza: Stage, person: Person) -> UserStatus:
    return (await plaza[StaffService].view(person.id)).unwrap().status


async def found(plaza: Stage, **wanted: object) -> list[str]:
    """The addresses of who is found, newest first, over several pages."""
    items: list[StaffUserView] = []
    page = PageRequest(limit=2)
    while True:
        got = (await plaza[StaffService].search(UserSearch(**wanted), page)).unwrap()  # type: ignore[arg-type] # by name
        items += got.items
        if got.next_cursor is None:
            return [str(each.email) for each in items]
        page = PageRequest(limit=2, cursor=got.next_cursor)


async def test_people_are_found_by_what_staff_know_of_them(plaza: Stage) -> None:
    ada, grace = await somebody(plaza, "ada", "support"), await somebody(plaza, "grace")
    await somebody(plaza, "joan")
    patch = ProfilePatch(
        username="Amazing_Grace", first_name="Grace", last_name="Höpper", display_name="100% Rear Admiral"
    )
    (await plaza[ProfileService].change_profile(grace.actor, patch)).unwrap()
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(
            text("update identity_user set phone = '+4915123456789' where id = :id"), {"id": grace.id}
        )
    everybody = ["joan@example.com", "grace@example.com", "ada@example.com"]
    assert await found(plaza) == everybody
    for text_ in (
        "grace@exa", "ace@EXAMPLE", "amazing_g", "höpp", "0% rear", "Grace H", str(grace.id), "+49 151 234-56789", "  admiral ",
    ):  # fmt: skip
        assert await found(plaza, text=text_) == ["grace@example.com"], text_
    for nobody in ("%", "gr_ce@", "\\", str(uuid4()), "+49151", "nobody"):
        assert await found(plaza, text=nobody) == ([] if nobody != "%" else ["grace@example.com"]), nobody
    assert await found(plaza, role="support") == [ada.email]
    assert await found(plaza, role="vendor") == []
    assert await found(plaza, status=UserStatus.ACTIVE) == everybody
    assert await found(plaza, status=UserStatus.BANNED) == []


async def test_an_index_serves_the_search(plaza: Stage) -> None:
    async with plaza.runtime.db.engine.connect() as connection:
        await connection.execute(text("set local enable_seqscan = off"))
        for statement in (
            "select id from identity_user where email like '%grace%'",
            f"select user_id from identity_profile where {SEARCHED} like '%grace%'",
        ):
            plan = "\n".join((await connection.execute(text(f"explain {statement}"))).scalars())
            assert "search_idx" in plan


async def test_a_ban_ends_everything_at_once_and_says_why(plaza: Stage) -> None:
    staff, ada = await somebody(plaza, "s", "support"), await somebody(plaza, "ada")
    view = (await plaza[StaffService].ban(staff.actor, ada.id, SPAM)).unwrap()
    assert (view.status, view.ban_reason, view.banned_until) == ("banned", "Sends spam", None)
    assert not await is_accepted(plaza, ada.pair.access_token)
    assert code_of(await plaza[SessionService].refresh(ada.refresh_token, HERE)) == "UNAUTHENTICATED"
    assert code_of(await plaza[LoginGate].admit(ada.id, Proof(methods=("pwd",)), HERE)) == "ACCOUNT_DISABLED"
    (row,) = await audited(plaza, "identity.user_banned")
    assert (row.actor_id, row.user_id, row.before) == (staff.id, ada.id, {"status": "active"})
    assert row.after == {"status": "banned", "reason": "Sends spam", "until": None}


async def test_a_banned_person_comes_back_by_staff(plaza: Stage) -> None:
    staff, ada = await somebody(plaza, "s", "support"), await somebody(plaza, "ada")
    (await plaza[StaffService].ban(staff.actor, ada.id, SPAM)).unwrap()
    view = (await plaza[StaffService].unban(staff.actor, ada.id)).unwrap()
    assert (view.status, view.ban_reason) == ("active", None)
    await logged_in_again(plaza, ada.id, ada.email)
    assert code_of(await plaza[StaffService].unban(staff.actor, ada.id)) == "INVALID_TRANSITION"


async def test_a_ban_opens_no_account_that_was_closed(plaza: Stage, clock: ManualClock) -> None:
    manager, ada, eve = [await somebody(plaza, name, *roles) for name, *roles in (("m", "manager"), ("ada",), ("eve",))]
    staff = plaza[StaffService]
    for each in (ada, eve):
        (await plaza[LeavingService].deactivate(each.actor, DeactivateInput(reason="A break"))).unwrap()
        until = clock.now() + timedelta(days=3)
        (await staff.ban(manager.actor, each.id, BanInput(reason="Spam", until=until))).unwrap()
    assert (await staff.unban(manager.actor, ada.id)).unwrap().status == "deactivated"
    clock.advance(timedelta(days=3))
    (await staff.lapse_bans()).unwrap()
    assert await status_of(plaza, eve) == "deactivated"
    assert (await staff.reinstate(manager.actor, ada.id)).unwrap().status == "active"


async def test_a_ban_lapses(plaza: Stage, clock: ManualClock) -> None:
    staff, ada = await somebody(plaza, "s", "support"), await somebody(plaza, "ada")
    for_good = await somebody(plaza, "eve")
    (await plaza[StaffService].ban(staff.actor, for_good.id, SPAM)).unwrap()
    until = clock.now() + timedelta(days=3)
    (await plaza[StaffService].ban(staff.actor, ada.id, BanInput(reason="Cool down", until=until))).unwrap()
    clock.advance(timedelta(days=3) - timedelta(seconds=1))
    (await plaza[StaffService].lapse_bans()).unwrap()
    assert await status_of(plaza, ada) == "banned"
    clock.advance(timedelta(seconds=1))
    (await plaza[StaffService].lapse_bans()).unwrap()
    assert (await status_of(plaza, ada), await status_of(plaza, for_good)) == ("active", "banned")
    (row,) = await audited(plaza, "identity.ban_lapsed")
    assert (row.actor_id, row.user_id, row.before["reason"], row.after) == (
        None,
        ada.id,
        "Cool down",
        {"status": "active"},
    )


async def test_a_ban_can_be_changed_but_not_end_in_the_past(plaza: Stage, clock: ManualClock) -> None:
    staff, ada = await somebody(plaza, "s", "support"), await somebody(plaza, "ada")
    past = BanInput(reason="Late", until=clock.now())
    assert code_of(await plaza[StaffService].ban(staff.actor, ada.id, past)) == "VALIDATION_ERROR"
    assert await status_of(plaza, ada) == "active"
    (await plaza[StaffService].ban(staff.actor, ada.id, SPAM)).unwrap()
    soon = clock.now() + timedelta(hours=1)
    view = (await plaza[StaffService].ban(staff.actor, ada.id, BanInput(reason="Better", until=soon))).unwrap()
    assert (view.ban_reason, view.banned_until) == ("Better", soon)
    rows = await audited(plaza, "identity.user_banned")
    assert rows[1].before == rows[0].after


async def test_accounts_are_closed_and_opened_again(plaza: Stage) -> None:
    manager, ada = await somebody(plaza, "m", "manager"), await somebody(plaza, "ada")
    staff = plaza[StaffService]
    assert (
        await staff.deactivate(manager.actor, ada.id, ReasonInput(reason="Asked by mail"))
    ).unwrap().status == "deactivated"
    assert not await is_accepted(plaza, ada.pair.access_token)
    assert code_of(await staff.deactivate(manager.actor, ada.id, ReasonInput(reason="Again"))) == "INVALID_TRANSITION"
    assert code_of(await staff.unban(manager.actor, ada.id)) == "INVALID_TRANSITION"
    assert (await staff.reinstate(manager.actor, ada.id)).unwrap().status == "active"
    (row,) = await audited(plaza, "identity.user_deactivated")
    assert row.after == {"status": "deactivated", "reason": "Asked by mail"}
    assert len(await audited(plaza, "identity.user_reinstated")) == 1


async def test_nobody_acts_on_those_who_may_do_more(plaza: Stage) -> None:
    boss, support, other = [
        await somebody(plaza, *each) for each in (("boss", "superuser"), ("sup", "support"), ("oth", "support"))
    ]
    manager, admin = await somebody(plaza, "man", "manager"), await somebody(plaza, "adm", "admin")
    staff = plaza[StaffService]
    for actor, target in ((support, manager), (support, admin), (manager, admin), (admin, boss)):
        assert code_of(await staff.ban(actor.actor, target.id, SPAM)) == "BEYOND_OWN_PERMISSIONS"
        assert code_of(await staff.end_sessions(actor.actor, target.id)) == "BEYOND_OWN_PERMISSIONS"
        assert await status_of(plaza, target) == "active"
        assert await is_accepted(plaza, target.pair.access_token)
    (await staff.ban(support.actor, other.id, SPAM)).unwrap()
    (await staff.ban(manager.actor, support.id, SPAM)).unwrap()
    (await staff.ban(boss.actor, admin.id, SPAM)).unwrap()
    assert len(await audited(plaza, "identity.user_banned")) == 3


async def test_nobody_bans_themselves_nor_the_last_superuser(plaza: Stage, clock: ManualClock) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    deputy = await somebody(plaza, "deputy", "superuser", until=clock.now() + timedelta(days=1))
    staff, why = plaza[StaffService], ReasonInput(reason="Coup")
    assert code_of(await staff.ban(boss.actor, boss.id, SPAM)) == "OWN_ACCOUNT"
    assert code_of(await staff.ban(deputy.actor, boss.id, SPAM)) == "LAST_SUPERUSER"
    assert code_of(await staff.deactivate(deputy.actor, boss.id, why)) == "LAST_SUPERUSER"
    assert await status_of(plaza, boss) == "active"
    assert await is_accepted(plaza, boss.pair.access_token)


async def test_what_the_token_says_is_not_believed(plaza: Stage) -> None:
    support, ada = await somebody(plaza, "sup", "support"), await somebody(plaza, "ada")
    (await plaza[RoleService].withdraw(support.id, "support")).unwrap()
    assert code_of(await plaza[StaffService].ban(support.actor, ada.id, SPAM)) == "PERMISSION_DENIED"
    assert await status_of(plaza, ada) == "active"


async def test_nobody_is_there_who_never_proved_an_address(plaza: Stage) -> None:
    support = await somebody(plaza, "sup", "support")
    await register(plaza, "new@example.com")

    async def there() -> list[str]:
        return await found(plaza, text="new@example.com")

    await eventually(there)
    (new,) = (await plaza[StaffService].search(UserSearch(text="new@"), PageRequest())).unwrap().items
    assert new.status == "pending"  # staff may see it, and that is all
    assert code_of(await plaza[StaffService].ban(support.actor, new.id, SPAM)) == "USER_NOT_FOUND"


async def test_staff_end_sessions(plaza: Stage) -> None:
    support, ada, eve = (
        await somebody(plaza, "sup", "support"),
        await somebody(plaza, "ada"),
        await somebody(plaza, "eve"),
    )
    again = await logged_in_again(plaza, ada.id, ada.email)
    staff = plaza[StaffService]
    first = (await staff.open_sessions(ada.id, PageRequest(limit=1))).unwrap()
    rest = (await staff.open_sessions(ada.id, PageRequest(limit=1, cursor=first.next_cursor))).unwrap()
    listed = [*first.items, *rest.items]
    assert [each.id for each in listed] == [again.actor.session_id, ada.actor.session_id]
    assert rest.next_cursor is None
    elsewhere = await staff.open_sessions(eve.id, PageRequest(cursor=first.next_cursor))
    assert code_of(elsewhere) == "INVALID_CURSOR"
    eves = SessionId(eve.actor.session_id or eve.id)
    assert code_of(await staff.end_session(support.actor, ada.id, eves)) == "SESSION_NOT_FOUND"
    assert await is_accepted(plaza, eve.pair.access_token)
    (await staff.end_session(support.actor, ada.id, listed[0].id)).unwrap()
    assert not await is_accepted(plaza, again.pair.access_token)
    assert await is_accepted(plaza, ada.pair.access_token)
    (await staff.end_sessions(support.actor, ada.id)).unwrap()
    assert not await is_accepted(plaza, ada.pair.access_token)
    rows = await audited(plaza, "identity.session_ended")
    assert {(each.actor_id, each.user_id, each.after["reason"]) for each in rows} == {
        (support.id, ada.id, "ended_by_staff")
    }


async def test_over_http(plaza: Stage) -> None:
    support, ada = await somebody(plaza, "sup", "support"), await somebody(plaza, "ada")
    http, base = plaza.client(support.pair.access_token), "/api/v1/admin/users"
    listed = (await http.get(base, params={"q": "ada@", "status": "active"})).json()
    assert [each["id"] for each in listed["items"]] == [str(ada.id)]
    assert (await http.get(base, params={"status": "gone"})).json()["code"] == "VALIDATION_ERROR"
    assert (await http.get(base, params={"cursor": "x"})).json()["code"] == "INVALID_CURSOR"
    view = (await http.get(f"{base}/{support.id}")).json()
    assert [each["role"] for each in view["roles"]] == ["support"]
    assert (await http.get(f"{base}/{uuid4()}")).json()["code"] == "USER_NOT_FOUND"
    for body in ({}, {"reason": ""}, {"reason": "x", "until": "tomorrow"}, {"reason": "x", "extra": 1}):
        refused = await http.post(f"{base}/{ada.id}/ban", json=body)
        assert (refused.status_code, refused.json()["code"]) == (400, "VALIDATION_ERROR"), body
    banned = await http.post(f"{base}/{ada.id}/ban", json={"reason": "Spam"})
    assert (banned.status_code, banned.json()["status"]) == (200, "banned")
    assert (await http.post(f"{base}/{ada.id}/unban")).json()["status"] == "active"
    assert (await http.get(f"{base}/{ada.id}/sessions")).json() == {"items": [], "next_cursor": None}
    assert (await http.delete(f"{base}/{ada.id}/sessions")).status_code == 204
    assert (await http.post(f"{base}/{ada.id}/deactivate", json={"reason": "x"})).json()["code"] == "PERMISSION_DENIED"
    boss = plaza.client((await somebody(plaza, "boss", "superuser")).pair.access_token)
    granted = await boss.post(f"{base}/{ada.id}/roles", json={"role": "vendor"})
    assert [each["role"] for each in granted.json()["items"]] == ["vendor"]
    assert (await boss.delete(f"{base}/{ada.id}/roles/vendor")).status_code == 204
    assert (await boss.get(f"{base}/{ada.id}")).json()["roles"] == []


async def test_staff_need_a_second_factor_where_the_operator_says_so(plaza: Stage) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    careful = await logged_in_again(plaza, boss.id, boss.email, ("pwd", "otp", "mfa"))
    ada = await somebody(plaza, "ada")
    async with callers(plaza, PLAZA_IDENTITY_STAFF_MFA="true") as api:
        refused = await api.at(token=boss.pair.access_token).get("/api/v1/admin/users")
        assert (refused.status_code, refused.json()["code"]) == (403, "MFA_ENROLMENT_REQUIRED")
        assert (await api.at(token=boss.pair.access_token).get("/api/v1/auth/user")).status_code == 200
        assert (await api.at(token=careful.pair.access_token).get("/api/v1/admin/users")).status_code == 200
        assert (await api.at(token=ada.pair.access_token).get("/api/v1/admin/users")).json()[
            "code"
        ] == "PERMISSION_DENIED"
    assert (await plaza.client(boss.pair.access_token).get("/api/v1/admin/users")).status_code == 200


@pytest.mark.parametrize("how", ["ban", "role"])
async def test_who_loses_power_is_nobody_else_any_more(plaza: Stage, how: str) -> None:
    boss, ada = await somebody(plaza, "boss", "superuser"), await somebody(plaza, "ada")
    await a_role(plaza, boss, "actor", "users.impersonate")
    actor = await somebody(plaza, "actor", "actor")
    started = (
        await plaza[ImpersonationService].start(actor.actor, ada.id, ReasonInput(reason="Ticket 1"), HERE)
    ).unwrap()
    assert await is_accepted(plaza, started.access_token)
    if how == "ban":
        (await plaza[StaffService].ban(boss.actor, actor.id, SPAM)).unwrap()
    else:
        (await plaza[RoleService].revoke(boss.actor, actor.id, "actor")).unwrap()
    with pytest.raises(Unauthenticated):
        await plaza[TokenService].authenticate(started.access_token)
    assert len(await audited(plaza, "identity.impersonation_ended")) == 1
