"""Keys for programs: shown once, narrow, refused everywhere within a second, and no reading on each request."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import websockets
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.core.actor import Actor
from plaza.core.errors import RateLimited, Unauthenticated
from plaza.core.origin import coming_from
from plaza.identity import CallerService
from plaza.identity.schemas import BanInput, MadeApiKey, NewApiKey
from plaza.identity.service import ApiKeyService, StaffService, api_keys
from tests.identity.builders import Person, jobs_done, mails_to
from tests.identity.staff import audited, code_of, logged_in_again, somebody
from tests.identity.test_revocation import another_process
from tests.support.callers import callers
from tests.support.clock import ManualClock
from tests.support.outside import PATIENCE_S
from tests.support.stage import Stage
from tests.support.statements import statements
from tests.support.waiting import eventually

PATH = "/api/v1/auth/api-keys"


async def a_key(plaza: Stage, person: Person, *scopes: str, **more: object) -> MadeApiKey:
    new = NewApiKey(name="Nightly", scopes=list(scopes or ("chat:read",)), **more)  # type: ignore[arg-type] # by name
    return (await plaza[ApiKeyService].create(person.actor, new)).unwrap()


async def who(runtime: Runtime, key: str) -> Actor | None:
    try:
        return await runtime.parts[CallerService].authenticate(key)
    except Unauthenticated:
        return None


async def is_refused(runtime: Runtime, key: str) -> bool:
    return await who(runtime, key) is None


async def test_a_key_is_shown_once_and_its_hash_kept(plaza: Stage) -> None:
    ada = await somebody(plaza, "ada")
    http = plaza.client(ada.pair.access_token)
    made = await http.post(PATH, json={"name": " Nightly ", "scopes": ["chat:write", "chat:read", "chat:read"]})
    body = made.json()
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    assert (body["name"], body["scopes"], body["expires_at"], body["last_used_at"]) == (
        "Nightly", ["chat:read", "chat:write"], None, None,
    )  # fmt: skip
    sign, prefix, secret = body["key"].split("_", 2)
    assert (sign, prefix, len(secret)) == ("plz", body["prefix"], 43)
    listed = (await http.get(PATH)).json()["items"]
    assert listed == [{name: value for name, value in body.items() if name != "key"}]
    async with plaza.runtime.db.reader.connect() as connection:
        everything = str((await connection.execute(text("select t::text from identity_api_key t"))).all())
        log = str((await connection.execute(text("select e::text from audit_entry e"))).all())
    assert secret not in everything + log
    assert body["prefix"] in log


async def test_a_replay_makes_another_key_and_stores_none(plaza: Stage) -> None:
    ada = await somebody(plaza, "ada")
    http = plaza.client(ada.pair.access_token, **{"Idempotency-Key": "once"})
    keys = {(await http.post(PATH, json={"name": "x", "scopes": ["chat:read"]})).json()["key"] for _ in range(2)}
    assert len(keys) == 2
    async with plaza.runtime.db.reader.connect() as connection:
        assert (await connection.execute(text("select count(*) from core_idempotency"))).scalar() == 0


async def test_the_owner_hears_of_it(plaza: Stage) -> None:
    ada = await somebody(plaza, "ada")
    key = await a_key(plaza, ada)
    (await plaza[ApiKeyService].revoke(ada.actor, key.id)).unwrap()
    await jobs_done(plaza)
    told = await mails_to(plaza, ada.email, at_least=2)
    assert {"made" in each["body"] for each in told} == {True, False}, "two mails, in whatever order they went out"
    assert all("Nightly" in each["body"] and key.key not in each["body"] for each in told)
    (made,), (gone,) = (
        await audited(plaza, "identity.api_key_created"),
        await audited(plaza, "identity.api_key_revoked"),
    )
    assert made.subject_id == gone.subject_id == str(key.id)
    assert (made.before, gone.after) == (None, None)
    assert made.after["prefix"] == gone.before["prefix"] == key.prefix


async def test_a_key_acts_for_its_owner_within_its_scopes(plaza: Stage) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    read, write = await a_key(plaza, boss, "chat:read"), await a_key(plaza, boss, "chat:write", "identity:read")
    actor = await who(plaza.runtime, read.key)
    assert actor == Actor(user_id=boss.id, scopes=frozenset({"chat:read"}), api_key_id=read.id)
    assert not actor.may("users.read")
    one, other = plaza.client(read.key), plaza.client(write.key)
    assert (await one.get("/api/v1/chat/conversations")).status_code == 200
    assert (await one.post("/api/v1/chat/conversations", json={})).json()["code"] == "INSUFFICIENT_SCOPE"
    assert (await other.get("/api/v1/chat/conversations")).json()["code"] == "INSUFFICIENT_SCOPE"
    assert (await other.post("/api/v1/chat/conversations", json={})).json()["code"] == "VALIDATION_ERROR"
    assert (await other.get("/api/v1/auth/user")).json()["id"] == str(boss.id)
    assert (await other.patch("/api/v1/auth/profile", json={})).json()["code"] == "INSUFFICIENT_SCOPE"


async def test_a_key_reaches_neither_credentials_nor_staff_routes(plaza: Stage) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    key = await a_key(plaza, boss, *sorted(plaza[ApiKeyService].scopes))
    http = plaza.client(key.key)
    for method, path in (
        ("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/{key.id}"), ("GET", "/api/v1/auth/sessions"),
        ("POST", "/api/v1/auth/ws-ticket"), ("POST", "/api/v1/auth/logout-all"), ("GET", "/api/v1/admin/users"),
        ("POST", f"/api/v1/admin/users/{uuid4()}/impersonate"), ("GET", "/api/v1/admin/audit"),
    ):  # fmt: skip
        refused = await http.request(method, path)
        assert (refused.status_code, refused.json()["code"]) == (403, "INSUFFICIENT_SCOPE"), path
    assert not await is_refused(plaza.runtime, key.key)


async def test_scopes_are_of_contexts_that_exist(plaza: Stage) -> None:
    ada = await somebody(plaza, "ada")
    assert {"chat:read", "chat:write", "identity:read", "identity:write"} <= plaza[ApiKeyService].scopes
    for scope in ("chat", "chat:delete", "payments:read", "*", "", "CHAT:READ", "admin:read", "audit:write"):
        refused = await plaza[ApiKeyService].create(ada.actor, NewApiKey(name="x", scopes=["chat:read", scope]))
        assert code_of(refused) == "SCOPE_UNKNOWN", scope
    http = plaza.client(ada.pair.access_token)
    offered = [each["name"] for each in (await http.get(f"{PATH}/scopes")).json()["items"]]
    assert offered == sorted(plaza[ApiKeyService].scopes)
    assert (await http.post(PATH, json={"name": "x", "scopes": offered})).status_code == 201
    assert (await http.post(PATH, json={"name": "x", "scopes": []})).json()["code"] == "VALIDATION_ERROR"
    assert [each["scopes"] for each in (await http.get(PATH)).json()["items"]] == [offered]


def test_every_scope_that_a_key_may_have_reaches_a_route(stage: Stage) -> None:
    table = tomllib.loads((Path(__file__).parents[1] / "authorization.toml").read_text())["routes"]
    words = {word for line in table.values() for word in line.split(", ")}
    reached = {word.removeprefix("key ") for word in words if word.startswith("key ")}
    assert stage[ApiKeyService].scopes == reached


@pytest.mark.parametrize("at", ["2999-01-01T00:00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_an_end_that_is_no_time_is_refused(plaza: Stage, at: str) -> None:
    """Without an offset it is none; others lie beyond what a clock in UTC can show."""
    ada = await somebody(plaza, "ada")
    body = {"name": "k", "scopes": ["identity:read"], "expires_at": at}
    answer = await plaza.client(ada.pair.access_token).post("/api/v1/auth/api-keys", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_a_key_needs_a_recent_login(plaza: Stage, clock: ManualClock) -> None:
    ada = await somebody(plaza, "ada")
    clock.advance(timedelta(minutes=10))
    http = plaza.client(ada.pair.access_token)
    refused = await http.post(PATH, json={"name": "x", "scopes": ["chat:read"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "STEP_UP_REQUIRED")
    assert (await http.get(PATH)).json()["items"] == []


async def test_nobody_has_more_than_fifty_that_work(plaza: Stage, clock: ManualClock) -> None:
    ada, eve = await somebody(plaza, "ada"), await somebody(plaza, "eve")
    keys = plaza[ApiKeyService]
    new = NewApiKey(name="x", scopes=["chat:read"])
    await a_key(plaza, ada, expires_at=clock.now() + timedelta(hours=1))
    results = await asyncio.gather(*(keys.create(ada.actor, new) for _ in range(60)))
    assert sorted(code_of(each) for each in results) == [""] * 49 + ["TOO_MANY_API_KEYS"] * 11
    assert code_of(await keys.create(eve.actor, new)) == ""
    clock.advance(timedelta(hours=1))
    assert code_of(await keys.create(ada.actor, new)) == ""
    assert code_of(await keys.create(ada.actor, new)) == "TOO_MANY_API_KEYS"
    first = next(each for each in results if code_of(each) == "").unwrap()
    (await keys.revoke(ada.actor, first.id)).unwrap()
    assert code_of(await keys.create(ada.actor, new)) == ""


async def test_keys_are_paged_and_only_ones_own(plaza: Stage) -> None:
    ada, eve = await somebody(plaza, "ada"), await somebody(plaza, "eve")
    made = [await a_key(plaza, ada) for _ in range(3)]
    http, other = plaza.client(ada.pair.access_token), plaza.client(eve.pair.access_token)
    first = (await http.get(PATH, params={"limit": 2})).json()
    rest = (await http.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == [str(each.id) for each in reversed(made)]
    assert rest["next_cursor"] is None
    foreign = await other.get(PATH, params={"cursor": first["next_cursor"]})
    assert foreign.json()["code"] == "INVALID_CURSOR"
    refused = await other.delete(f"{PATH}/{made[0].id}")
    assert (refused.status_code, refused.json()["code"]) == (404, "API_KEY_NOT_FOUND")
    assert not await is_refused(plaza.runtime, made[0].key)


async def test_a_revoked_key_is_refused_in_every_process(plaza: Stage) -> None:
    ada = await somebody(plaza, "ada")
    key, kept = await a_key(plaza, ada), await a_key(plaza, ada)
    async with another_process(plaza) as other:
        for runtime in (plaza.runtime, other):
            assert not await is_refused(runtime, key.key)
        http = plaza.client(ada.pair.access_token)
        assert (await http.delete(f"{PATH}/{key.id}")).status_code == 204
        assert await is_refused(plaza.runtime, key.key)  # at once in the process that did it
        await eventually(lambda: is_refused(other, key.key))
        assert not await is_refused(other, kept.key)
    assert (await http.delete(f"{PATH}/{key.id}")).json()["code"] == "API_KEY_NOT_FOUND"
    refused = await plaza.client(key.key).get("/api/v1/auth/user")
    assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_a_lost_notification_is_made_up_for_within_a_minute(plaza: Stage, clock: ManualClock) -> None:
    ada = await somebody(plaza, "ada")
    key = await a_key(plaza, ada)
    assert not await is_refused(plaza.runtime, key.key)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text("update identity_api_key set revoked_at = :now"), {"now": clock.now()})
    assert not await is_refused(plaza.runtime, key.key)
    clock.advance(timedelta(minutes=1))
    assert await is_refused(plaza.runtime, key.key)


async def test_a_banned_owners_keys_are_refused_everywhere_and_good_again_afterwards(plaza: Stage) -> None:
    staff, ada = await somebody(plaza, "s", "support"), await somebody(plaza, "ada")
    key = await a_key(plaza, ada)
    async with another_process(plaza) as other:
        assert not await is_refused(other, key.key)
        (await plaza[StaffService].ban(staff.actor, ada.id, BanInput(reason="Spam"))).unwrap()
        assert await is_refused(plaza.runtime, key.key)
        await eventually(lambda: is_refused(other, key.key))
    (await plaza[StaffService].unban(staff.actor, ada.id)).unwrap()
    assert not await is_refused(plaza.runtime, key.key)


@pytest.mark.parametrize("gone", ["deleted_at = now()", "status = 'deactivated'"])
async def test_the_keys_of_a_closed_account_are_refused(plaza: Stage, clock: ManualClock, gone: str) -> None:
    ada = await somebody(plaza, "ada")
    key = await a_key(plaza, ada)
    assert not await is_refused(plaza.runtime, key.key)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text(f"update identity_user set {gone} where id = :id"), {"id": ada.id})
    clock.advance(timedelta(minutes=1))
    assert await is_refused(plaza.runtime, key.key)


async def test_an_expired_key_is_refused_at_the_second(plaza: Stage, clock: ManualClock) -> None:
    ada = await somebody(plaza, "ada")
    soon = clock.now() + timedelta(seconds=30)
    late = NewApiKey(name="x", scopes=["chat:read"], expires_at=clock.now())
    assert code_of(await plaza[ApiKeyService].create(ada.actor, late)) == "VALIDATION_ERROR"
    key = await a_key(plaza, ada, expires_at=soon)
    assert not await is_refused(plaza.runtime, key.key)
    clock.advance(timedelta(seconds=29))
    assert not await is_refused(plaza.runtime, key.key)
    clock.advance(timedelta(seconds=1))
    assert await is_refused(plaza.runtime, key.key)


async def test_a_request_reads_nothing_and_writes_nothing(plaza: Stage) -> None:
    ada = await somebody(plaza, "ada")
    key = await a_key(plaza, ada)
    assert not await is_refused(plaza.runtime, key.key)
    with statements(plaza.runtime.db) as sent:
        for _ in range(20):
            assert not await is_refused(plaza.runtime, key.key)
    assert sent == []


async def test_when_it_was_used_is_noted_now_and_then(plaza: Stage, clock: ManualClock) -> None:
    ada = await somebody(plaza, "ada")
    used, unused = await a_key(plaza, ada), await a_key(plaza, ada)
    keys = plaza[ApiKeyService]
    clock.advance(timedelta(seconds=5))
    assert not await is_refused(plaza.runtime, used.key)
    (await keys.note_use()).unwrap()
    http = plaza.client((await logged_in_again(plaza, ada.id, ada.email)).pair.access_token)
    seen = {each["id"]: each["last_used_at"] for each in (await http.get(PATH)).json()["items"]}
    assert seen[str(unused.id)] is None
    assert seen[str(used.id)] == clock.now().isoformat().replace("+00:00", "Z")
    with statements(plaza.runtime.db) as sent:
        (await keys.note_use()).unwrap()
    assert sent == []  # there was nothing new to note
    (await keys.revoke(ada.actor, used.id)).unwrap()  # its version did not move


@pytest.mark.parametrize("change", ["secret", "prefix", "shape", "case", "longer"])
async def test_what_is_nearly_a_key_is_refused(plaza: Stage, change: str) -> None:
    ada = await somebody(plaza, "ada")
    key = (await a_key(plaza, ada)).key
    assert not await is_refused(plaza.runtime, key)
    sign, prefix, secret = key.split("_", 2)
    wrong = {
        "secret": f"{sign}_{prefix}_{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}",
        "prefix": f"{sign}_{prefix[::-1]}a_{secret}"[:17] + f"_{secret}",
        "shape": f"{sign}_{prefix}{secret}",
        "case": f"{sign}_{prefix.upper()}_{secret}",
        "longer": key + "A",
    }[change]
    assert await is_refused(plaza.runtime, wrong)


@asynccontextmanager
async def limited(plaza: Stage) -> AsyncIterator[Runtime]:
    async with callers(plaza, PLAZA_RATE_LIMIT_ENABLED="true", PLAZA_RATE_LIMIT_API_KEY="5/minute") as api:
        yield api.runtime


async def test_guessing_is_counted_before_the_database_is_asked(plaza: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "_LOOK_UPS", "5/day")
    async with limited(plaza) as runtime:
        with coming_from("203.0.113.7", "guesser"):
            for n in range(5):
                assert await is_refused(runtime, f"plz_aaaaaaaaaaaa_{n:043d}")
            with statements(runtime.db) as sent, pytest.raises(RateLimited):
                await runtime.parts[CallerService].authenticate("plz_aaaaaaaaaaaa_" + "a" * 43)
        assert sent == []


async def test_each_key_has_a_bucket_of_its_own(plaza: Stage) -> None:
    ada = await somebody(plaza, "ada")
    one, other = await a_key(plaza, ada), await a_key(plaza, ada)
    async with callers(plaza, PLAZA_RATE_LIMIT_ENABLED="true", PLAZA_RATE_LIMIT_API_KEY="5/hour") as api:
        first = [(await api.at(token=one.key).get("/api/v1/chat/conversations")).status_code for _ in range(6)]
        assert first == [200] * 5 + [429]
        assert (await api.at(token=other.key).get("/api/v1/chat/conversations")).status_code == 200
        assert (await api.at(token=ada.pair.access_token).get("/api/v1/chat/conversations")).status_code == 200


async def test_sockets_are_not_for_keys(plaza: Stage) -> None:
    ada = await somebody(plaza, "ada")
    key = await a_key(plaza, ada, "chat:read", "chat:write")
    url = f"{plaza.socket_url}/ws"
    async with websockets.connect(url, additional_headers={"Authorization": f"Bearer {key.key}"}) as connection:
        await asyncio.wait_for(connection.wait_closed(), PATIENCE_S)
        assert (connection.close_code, connection.close_reason) == (4403, "INSUFFICIENT_SCOPE")
    async with websockets.connect(url) as connection:
        await connection.send(f'{{"type":"auth","token":"{key.key}"}}')
        await asyncio.wait_for(connection.wait_closed(), PATIENCE_S)
        assert (connection.close_code, connection.close_reason) == (4403, "INSUFFICIENT_SCOPE")


async def test_old_keys_are_purged(plaza: Stage, clock: ManualClock) -> None:
    ada = await somebody(plaza, "ada")
    await a_key(plaza, ada)
    gone = await a_key(plaza, ada)
    await a_key(plaza, ada, expires_at=clock.now() + timedelta(days=1))
    (await plaza[ApiKeyService].revoke(ada.actor, gone.id)).unwrap()
    clock.advance(timedelta(days=30, seconds=1))
    assert (await plaza[ApiKeyService].purge()).unwrap() == 1
    clock.advance(timedelta(days=1))
    assert (await plaza[ApiKeyService].purge()).unwrap() == 1
    assert (await plaza[ApiKeyService].purge()).unwrap() == 0
