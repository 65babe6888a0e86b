from __future__ import annotations

import asyncio
import hashlib

import httpx
import pytest
from sqlalchemy import text

from tests.support.people import Member, member
from tests.support.stage import Stage

PATH = "/api/v1/chat/conversations"


@pytest.fixture
async def ada(plaza: Stage) -> Member:
    return await member(plaza, "ada")


@pytest.fixture
async def grace(plaza: Stage) -> Member:
    return await member(plaza, "grace")


def group(title: str) -> dict[str, object]:
    return {"kind": "group", "title": title, "member_ids": []}


async def groups_of(person: Member) -> list[str]:
    return [each["title"] for each in (await person.http.get(PATH)).json()["items"]]


async def test_the_same_call_again_is_answered_from_the_store(ada: Member) -> None:
    key = {"Idempotency-Key": "once"}
    first = await ada.http.post(PATH, json=group("Readers"), headers=key)
    again = await ada.http.post(PATH, json=group("Readers"), headers=key)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await groups_of(ada) == ["Readers"]


async def test_another_body_under_the_same_key_is_refused(ada: Member) -> None:
    key = {"Idempotency-Key": "once"}
    await ada.http.post(PATH, json=group("Readers"), headers=key)
    answer = await ada.http.post(PATH, json=group("Writers"), headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert await groups_of(ada) == ["Readers"]


async def test_a_flow_passes_the_refusal_of_a_key_on(client: httpx.AsyncClient) -> None:
    path, key = "/api/v1/auth/registration", {"Idempotency-Key": "once"}
    body = {"email": "ada@example.com", "password": "a lantern over water"}
    assert (await client.post(path, json=body, headers=key)).status_code == 202
    answer = await client.post(path, json={**body, "display_name": "Ada"}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_what_is_kept_of_a_body_cannot_be_guessed_from(plaza: Stage, client: httpx.AsyncClient) -> None:
    """A password in it would be found by hashing candidates, were the fingerprint a plain hash."""
    path, body = "/api/v1/auth/registration", b'{"email": "ada@example.com", "password": "a lantern over water"}'
    await client.post(path, content=body, headers={"Idempotency-Key": "once", "Content-Type": "application/json"})
    async with plaza.runtime.db.reader.connect() as connection:
        row = (await connection.execute(text("select caller, fingerprint from core_idempotency"))).one()
    parts = (b"POST", path.encode(), b"", row.caller.encode(), body)
    hashes = [hashlib.sha256(part).digest() for part in parts]
    plain = [hashlib.sha256(separator.join(hashes)).digest() for separator in (b"", b"\0")]
    assert len(row.fingerprint) == 32
    assert row.fingerprint not in plain


async def test_two_people_may_use_the_same_key(ada: Member, grace: Member) -> None:
    key = {"Idempotency-Key": "once"}
    assert (await ada.http.post(PATH, json=group("Readers"), headers=key)).status_code == 201
    assert (await grace.http.post(PATH, json=group("Writers"), headers=key)).status_code == 201
    assert await groups_of(grace) == ["Writers"]


async def test_parallel_calls_under_one_key_make_one_thing(ada: Member) -> None:
    key = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(ada.http.post(PATH, json=group("Readers"), headers=key) for _ in range(12)))
    outcomes = {(answer.status_code, answer.json().get("code")) for answer in answers}
    assert outcomes <= {(201, None), (409, "IDEMPOTENCY_IN_PROGRESS")}
    assert await groups_of(ada) == ["Readers"]


async def test_a_grouped_command_is_replayed_as_well(ada: Member, grace: Member) -> None:
    conversation = (await ada.http.post(PATH, json={"kind": "direct", "member_ids": [str(grace.id)]})).json()["id"]
    path, key = f"{PATH}/{conversation}/messages", {"Idempotency-Key": "once"}
    body = {"content": "hello", "client_id": "00000000-0000-4000-8000-000000000001"}
    first, again = [await ada.http.post(path, json=body, headers=key) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tbed"])
async def test_an_unfit_key_is_refused(ada: Member, key: str) -> None:
    answer = await ada.http.post(PATH, json=group("Readers"), headers=[(b"Idempotency-Key", key.encode())])
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_routes_that_answer_tokens_ignore_the_key(ada: Member) -> None:
    key = {"Idempotency-Key": "once"}
    first, second = [(await ada.http.post("/api/v1/auth/ws-ticket", headers=key)).json()["ticket"] for _ in range(2)]
    assert first != second
