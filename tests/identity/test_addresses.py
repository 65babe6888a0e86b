"""The address book: its own, with one default of each kind at most."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from sqlalchemy import text

from plaza.core.result import Failure, Success
from plaza.identity.schemas import AddressInput, AddressPatch
from plaza.identity.service import AddressService
from plaza.identity.service.addresses import MOST
from plaza.identity.service.countries import COUNTRIES
from tests.identity.builders import Person, a_person
from tests.support.stage import Stage

HOUSE = AddressInput(recipient="Ada Lovelace", line1="12 St James's Square", city="London", country="GB")
PATH = "/api/v1/auth/addresses"
HOME = {"recipient": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "country": "GB"}


@pytest.fixture
async def ada(plaza: Stage) -> Person:
    return await a_person(plaza)


@pytest.fixture
async def own(plaza: Stage, ada: Person) -> httpx.AsyncClient:
    return plaza.client(ada.pair.access_token)


async def added(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={**HOME, **fields})
    assert answer.status_code == 201, answer.text
    address: dict[str, Any] = answer.json()
    return address


async def book(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(PATH, params={"limit": 100})).json()["items"]
    return items


async def test_an_address_is_added_changed_and_removed(own: httpx.AsyncClient) -> None:
    given = {
        "label": "Home",
        "company": "Analytical Engines",
        "line2": "Flat 3",
        "region": "Greater London",
        "postal_code": "SW1Y 4JH",
        "phone": "+44 20 7946 0123",
        "is_default_billing": True,
    }
    address = await added(own, **given)
    assert address.items() >= {**HOME, **given, "phone": "+442079460123", "is_default_shipping": False}.items()
    assert await book(own) == [address]

    patch = {"line2": "", "phone": None, "is_default_shipping": True, "country": "de"}
    answer = await own.patch(f"{PATH}/{address['id']}", json=patch)
    assert answer.status_code == 200
    assert answer.json() == {**address, **patch, "country": "DE"}
    assert await book(own) == [answer.json()]

    assert (await own.delete(f"{PATH}/{address['id']}")).status_code == 204
    assert await book(own) == []
    assert (await own.delete(f"{PATH}/{address['id']}")).json()["code"] == "ADDRESS_NOT_FOUND"


async def test_a_default_takes_the_place_of_the_one_before(own: httpx.AsyncClient) -> None:
    first = await added(own, is_default_billing=True, is_default_shipping=True)
    second = await added(own, is_default_billing=True)
    assert [(each["is_default_billing"], each["is_default_shipping"]) for each in await book(own)] == [
        (False, True),
        (True, False),
    ]
    await own.patch(f"{PATH}/{second['id']}", json={"is_default_shipping": True})
    await own.patch(f"{PATH}/{first['id']}", json={"is_default_billing": True})
    assert [(each["is_default_billing"], each["is_default_shipping"]) for each in await book(own)] == [
        (True, False),
        (False, True),
    ]
    await own.patch(f"{PATH}/{first['id']}", json={"is_default_billing": False})
    assert not any(each["is_default_billing"] for each in await book(own))


async def test_other_peoples_addresses_are_not_there(plaza: Stage, own: httpx.AsyncClient) -> None:
    address = await added(own, is_default_billing=True)
    mallory = plaza.client((await a_person(plaza, "mallory@example.com", name="Mallory")).pair.access_token)
    answers = [
        await mallory.patch(f"{PATH}/{address['id']}", json={"line1": "elsewhere"}),
        await mallory.delete(f"{PATH}/{address['id']}"),
    ]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(404, "ADDRESS_NOT_FOUND")] * 2
    await added(mallory, is_default_billing=True)
    assert await book(own) == [address]


async def test_pages(own: httpx.AsyncClient) -> None:
    made = [(await added(own, label=f"{n}"))["label"] for n in range(5)]
    first = (await own.get(PATH, params={"limit": 3})).json()
    rest = (await own.get(PATH, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [each["label"] for each in first["items"] + rest["items"]] == made
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"recipient": ""},
        {"recipient": "   "},
        {"line1": "a\nb"},
        {"label": "\u202ebackwards"},
        {"city": "x" * 101},
        {"postal_code": "x" * 21},
        {"country": "XX"},
        {"country": "UK"},
        {"country": "Germany"},
        {"phone": "030 123456"},
        {"is_default_billing": "yes"},
        {"user_id": "0198c0de-0000-7000-8000-000000000001"},
    ],
)
async def test_what_is_no_address_is_refused(own: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await own.post(PATH, json={**HOME, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert await book(own) == []
    address = await added(own)
    answer = await own.patch(f"{PATH}/{address['id']}", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert await book(own) == [address]


async def test_a_refused_change_leaves_the_default_where_it_was(own: httpx.AsyncClient) -> None:
    first, second = await added(own, is_default_billing=True), await added(own)
    answer = await own.patch(f"{PATH}/{second['id']}", json={"is_default_billing": True, "country": "XX"})
    assert answer.status_code == 400
    assert await book(own) == [first, second]


async def test_a_book_holds_fifty(plaza: Stage, ada: Person) -> None:
    """Also when the last places are fought for."""
    service = plaza[AddressService]
    for _ in range(MOST - 3):
        (await service.add(ada.actor, HOUSE)).unwrap()
    outcomes = await asyncio.gather(*(service.add(ada.actor, HOUSE) for _ in range(8)))
    assert [each.error.code for each in outcomes if isinstance(each, Failure)] == ["TOO_MANY_ADDRESSES"] * 5
    async with plaza.runtime.db.reader.connect() as connection:
        assert (await connection.execute(text("select count(*) from identity_address"))).scalar_one() == MOST


async def test_one_default_is_left_whoever_was_faster(plaza: Stage, ada: Person) -> None:
    service = plaza[AddressService]
    ids = [(await service.add(ada.actor, HOUSE)).unwrap().id for _ in range(4)]
    wanted = AddressPatch(is_default_billing=True, is_default_shipping=True)
    outcomes = await asyncio.gather(
        *(service.change(ada.actor, id, wanted) for id in ids),
        *(service.add(ada.actor, replace(HOUSE, is_default_billing=True)) for _ in range(2)),
    )
    assert all(isinstance(each, Success) for each in outcomes)
    async with plaza.runtime.db.reader.connect() as connection:
        counts = await connection.execute(
            text(
                "select count(*) filter (where is_default_billing) as billing,"
                " count(*) filter (where is_default_shipping) as shipping from identity_address"
            )
        )
        assert tuple(counts.one()) == (1, 1)


async def test_an_idempotency_key_adds_one(own: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await own.post(PATH, json=HOME, headers={"Idempotency-Key": "an address"})
        assert answer.status_code == 201
    assert len(await book(own)) == 1


def test_the_list_of_countries() -> None:
    assert len(COUNTRIES) == 249
    assert all(len(each) == 2 and each.isupper() for each in COUNTRIES)
