"""The own user and profile, other people's cards, and who can be found."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from plaza.core.ids import uuid7
from plaza.core.result import Failure, Success
from plaza.domain_events.identity import UserId
from plaza.identity import NewUser, ProfileService, UserService
from plaza.identity.schemas import UserPatch
from plaza.identity.service.profiles import RESERVED
from tests.identity.builders import jobs_done, register
from tests.support.people import member
from tests.support.stage import Stage

USER, PROFILE, LOOKUP = "/api/v1/auth/user", "/api/v1/auth/profile", "/api/v1/auth/users/lookup"


async def rename(client: httpx.AsyncClient, username: str | None) -> str:
    """The refusal's code, or "OK"."""
    answer = await client.patch(USER, json={"username": username})
    return "OK" if answer.status_code == 200 else str(answer.json()["code"])


async def test_the_own_user(plaza: Stage) -> None:
    ada = await member(plaza, "ada")
    body = (await ada.http.get(USER)).json()
    assert body.pop("created_at").endswith("Z")
    assert body == {
        "id": str(ada.id), "email": "ada@example.com", "phone": None, "email_verified": True, "phone_verified": False,
        "status": "active", "is_staff": False, "username": None, "display_name": "Ada",
    }  # fmt: skip


async def test_a_profile_is_changed_field_by_field(plaza: Stage) -> None:
    ada = await member(plaza, "ada")
    before = (await ada.http.get(PROFILE)).json()
    assert before["timezone"] == "UTC"
    assert before["storage_quota_bytes"] == 25 * 2**30
    changes = {
        "first_name": "Ada", "last_name": "Lovelace", "display_name": " Ada L. ", "username": "Ada_L", "bio": "Notes\non engines.",
        "birth_date": "1915-12-10", "timezone": "Europe/London", "locale": "en-GB",
    }  # fmt: skip
    answer = await ada.http.patch(PROFILE, json=changes)
    assert answer.status_code == 200
    assert answer.json() == {**before, **changes, "display_name": "Ada L."}
    assert (await ada.http.get(PROFILE)).json() == answer.json()
    cleared = await ada.http.patch(PROFILE, json={"username": None, "birth_date": None, "first_name": ""})
    assert (cleared.json()["username"], cleared.json()["birth_date"], cleared.json()["first_name"]) == (None, None, "")
    assert cleared.json()["last_name"] == "Lovelace"


async def test_preferences_are_merged(plaza: Stage) -> None:
    ada = await member(plaza, "ada")
    await ada.http.patch(PROFILE, json={"preferences": {"theme": "dark"}})
    answer = await ada.http.patch(PROFILE, json={"preferences": {"email_frequency": "weekly"}})
    assert answer.json()["preferences"] == {
        "theme": "dark", "language": "en", "email_frequency": "weekly", "discoverable": True,
        "group_invites": "everybody", "last_seen": "everybody",
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"email": "new@example.com"}, {"is_staff": True}, {"storage_quota_bytes": 1}, {"display_name": None}, {"display_name": " "},
        {"display_name": "x" * 101}, {"display_name": "a\u202eb"}, {"bio": "x" * 501}, {"birth_date": "2999-01-01"},
        {"birth_date": "1815-12-10"}, {"birth_date": "yesterday"}, {"timezone": "Mars/Olympus"}, {"timezone": "../etc/passwd"},
        {"locale": "x"}, {"locale": "en_"}, {"preferences": {"theme": "pink"}}, {"preferences": {"colour": "pink"}},
        {"preferences": {"language": "!!"}}, {"username": "ab"}, {"username": "x" * 31}, {"username": "ada lovelace"},
        {"username": "ada\n"}, {"username": "adä"}, {"username": "ada@example"}, {"bio": "nul\u0000"}, [], "x",
    ],
)  # fmt: skip
async def test_a_malformed_change_changes_nothing(plaza: Stage, body: object) -> None:
    ada = await member(plaza, "ada")
    before = (await ada.http.get(PROFILE)).json()
    answer = await ada.http.patch(PROFILE, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert (await ada.http.get(PROFILE)).json() == before


async def test_a_username_is_unique_without_case(plaza: Stage) -> None:
    ada, grace = await member(plaza, "ada"), await member(plaza, "grace")
    assert await rename(ada.http, "Enchantress") == "OK"
    for taken in ("Enchantress", "enchantress", "ENCHANTRESS"):
        assert await rename(grace.http, taken) == "USERNAME_TAKEN"
    assert await rename(ada.http, "enchantress") == "OK"  # the own one in another case
    assert await rename(ada.http, None) == "OK"
    assert await rename(grace.http, "ENCHANTRESS") == "OK"


async def test_of_many_who_want_one_username_one_gets_it(plaza: Stage) -> None:
    people = [await member(plaza, f"person{n}") for n in range(8)]
    results = await asyncio.gather(
        *(plaza[ProfileService].change_user(each.actor, UserPatch(username="Wanted")) for each in people)
    )
    assert len([each for each in results if isinstance(each, Success)]) == 1
    assert {each.error.code for each in results if isinstance(each, Failure)} == {"USERNAME_TAKEN"}


@pytest.mark.parametrize("name", ["admin", "Root", "PLAZA", "support", "null"])
async def test_names_of_operators_are_reserved(plaza: Stage, name: str) -> None:
    ada = await member(plaza, "ada")
    assert await rename(ada.http, name) == "USERNAME_RESERVED"


def test_reserved_names_could_be_names() -> None:
    assert len(RESERVED) >= 50
    assert all(name == name.lower() for name in RESERVED)


async def test_changes_at_once_lose_none(plaza: Stage) -> None:
    ada = await member(plaza, "ada")
    changes = (
        {"first_name": "Ada"},
        {"last_name": "Lovelace"},
        {"bio": "Notes"},
        {"locale": "fr"},
        {"preferences": {"theme": "dark"}},
    )
    answers = await asyncio.gather(*(ada.http.patch(PROFILE, json=each) for each in changes))
    assert {each.status_code for each in answers} == {200}
    profile = (await ada.http.get(PROFILE)).json()
    assert (profile["first_name"], profile["last_name"], profile["bio"], profile["locale"]) == (
        "Ada",
        "Lovelace",
        "Notes",
        "fr",
    )
    assert profile["preferences"]["theme"] == "dark"


async def test_a_card_shows_no_more_than_it_should(plaza: Stage) -> None:
    ada, grace = await member(plaza, "ada"), await member(plaza, "grace")
    answer = await grace.http.get(f"/api/v1/auth/users/{ada.id}")
    assert answer.json() == {"id": str(ada.id), "username": None, "display_name": "Ada", "avatar_url": None, "bio": ""}


@pytest.mark.parametrize("change", ["status = 'banned'", "status = 'deactivated'", "deleted_at = created_at"])
async def test_closed_accounts_have_no_card_of_their_own(plaza: Stage, change: str) -> None:
    ada, grace = await member(plaza, "ada"), await member(plaza, "grace")
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text(f"update identity_user set {change} where id = :id"), {"id": ada.id})
    for path in (f"/api/v1/auth/users/{ada.id}", f"/api/v1/auth/users/{uuid7()}"):
        answer = await grace.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "USER_NOT_FOUND")
    assert (await grace.http.post(LOOKUP, json={"email": ada.email})).status_code == 404


async def test_an_unproved_address_is_nobody(plaza: Stage) -> None:
    grace = await member(plaza, "grace")
    await register(plaza, "ada@example.com")
    await jobs_done(plaza)
    async with plaza.runtime.db.reader.connect() as connection:
        ada = UserId(
            (await connection.execute(text("select id from identity_user where status = 'pending'"))).scalar_one()
        )
    assert (await grace.http.get(f"/api/v1/auth/users/{ada}")).status_code == 404
    assert (await grace.http.post(LOOKUP, json={"email": "ada@example.com"})).status_code == 404
    assert (await plaza[ProfileService].cards([ada])).unwrap() == {}


async def test_lookup_finds_exact_matches_only(plaza: Stage) -> None:
    ada, grace = await member(plaza, "ada"), await member(plaza, "grace")
    await rename(ada.http, "Ada_L")
    for body in ({"email": " ADA@example.com"}, {"username": "ada_l"}, {"username": "ADA_L"}):
        answer = await grace.http.post(LOOKUP, json=body)
        assert (answer.status_code, answer.json()["id"]) == (200, str(ada.id))
        assert "email" not in answer.json()
    for body in (
        {"email": "ada@example.co"},
        {"username": "ada"},
        {"username": "ada%"},
        {"username": "Ada L"},
        {"phone": "+4915112345678"},
        {"username": ""},
    ):
        answer = await grace.http.post(LOOKUP, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "USER_NOT_FOUND")
    for malformed in ({}, {"email": "ada@example.com", "username": "ada_l"}, {"email": "ada"}):
        assert (await grace.http.post(LOOKUP, json=malformed)).status_code == 400


async def test_who_does_not_want_to_be_found_is_not(plaza: Stage) -> None:
    ada, grace = await member(plaza, "ada"), await member(plaza, "grace")
    await ada.http.patch(PROFILE, json={"username": "Ada_L", "preferences": {"discoverable": False}})
    for body in ({"email": ada.email}, {"username": "Ada_L"}):
        assert (await grace.http.post(LOOKUP, json=body)).status_code == 404
    assert (await grace.http.get(f"/api/v1/auth/users/{ada.id}")).status_code == 200  # by id, for those who have it
    await ada.http.patch(PROFILE, json={"preferences": {"discoverable": True}})
    assert (await grace.http.post(LOOKUP, json={"email": ada.email})).status_code == 200


async def test_cards_come_by_the_set(plaza: Stage) -> None:
    ids = (
        await plaza[UserService].create_many(
            [NewUser(email=f"p{n}@example.com", display_name=f"P{n}") for n in range(3)]
        )
    ).unwrap()
    cards = (await plaza[ProfileService].cards([*ids, UserId(uuid7())])).unwrap()
    assert {id: card.display_name for id, card in cards.items()} == dict(zip(ids, ("P0", "P1", "P2"), strict=True))
    assert (await plaza[ProfileService].cards([])).unwrap() == {}


@pytest.mark.parametrize(
    "path", [USER, PROFILE, "/api/v1/auth/sessions", "/api/v1/auth/users/01900000-0000-7000-8000-000000000000"]
)
async def test_strangers_read_nothing(plaza: Stage, client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_a_birthday_is_today_at_the_latest(plaza: Stage) -> None:
    ada = await member(plaza, "ada")
    today = plaza.clock.now().date()
    assert (await ada.http.patch(PROFILE, json={"birth_date": today.isoformat()})).status_code == 200
    assert (
        await ada.http.patch(PROFILE, json={"birth_date": (today + timedelta(days=1)).isoformat()})
    ).status_code == 400
