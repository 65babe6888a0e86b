"""Signing keys: one is made however many processes start, rotation overlaps, and every process learns of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.core.errors import Unauthenticated
from plaza.identity import KeyService, TokenService
from plaza.identity.service.keys import KeyService as Keys
from tests.identity.builders import a_person, is_accepted, logged_in
from tests.identity.staff import audited
from tests.support.clock import ManualClock
from tests.support.stage import Stage, configuration_for
from tests.support.statements import statements
from tests.support.waiting import eventually


def another_process(plaza: Stage, **variables: str) -> Runtime:
    settings = plaza.configuration.plaza
    return Runtime(
        configuration_for(settings.database_url, settings.redis_url, **variables), "other", clock=plaza.clock
    )


@pytest.fixture
async def keyless(plaza: Stage) -> AsyncIterator[Stage]:
    """As on the very first start. Other tests' tokens are gone with their key."""

    async def forget() -> None:
        async with plaza.runtime.db.engine.begin() as connection:
            await connection.execute(text("delete from identity_signing_key"))
        plaza[KeyService].forget()

    await forget()
    yield plaza
    await forget()


async def kids(plaza: Stage) -> list[str]:
    async with plaza.runtime.db.reader.connect() as connection:
        return list((await connection.execute(text("select kid from identity_signing_key"))).scalars())


async def test_the_first_start_makes_one_key_however_many_start(keyless: Stage) -> None:
    processes = [another_process(keyless) for _ in range(4)]
    try:
        made = await asyncio.gather(*(each.parts[KeyService].signing_key() for each in processes for _ in range(3)))
    finally:
        for each in processes:
            await each.close()
    assert len({each.unwrap().kid for each in made}) == 1
    assert len(await kids(keyless)) == 1


async def test_the_private_half_is_sealed_and_not_published(keyless: Stage, client: httpx.AsyncClient) -> None:
    secret = str((await keyless[KeyService].signing_key()).unwrap().as_dict(private=True)["d"])
    answer = await client.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    [key] = answer.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")
    async with keyless.runtime.db.reader.connect() as connection:
        [row] = (await connection.execute(text("select t::text from identity_signing_key t"))).scalars()
    assert secret not in row
    assert secret not in answer.text


async def test_a_rotation_is_written_down(keyless: Stage) -> None:
    first = (await keyless[KeyService].signing_key()).unwrap().kid
    assert await audited(keyless, "identity.signing_key_rotated") == []
    second = (await keyless[KeyService].rotate()).unwrap()
    (entry,) = await audited(keyless, "identity.signing_key_rotated")
    assert (entry.subject_id, entry.before, entry.after) == (second, {"kid": first}, {"kid": second})


async def test_rotation_overlaps(keyless: Stage, clock: ManualClock) -> None:
    before = await a_person(keyless)
    new = (await keyless[KeyService].rotate()).unwrap()
    published = (await keyless[KeyService].published()).unwrap().keys
    assert published[0].kid == new
    assert len(published) == 2
    after = await logged_in(keyless, before.email)
    assert (await keyless[KeyService].signing_key()).unwrap().kid == new
    for person in (before, after):
        assert await is_accepted(keyless, person.pair.access_token)

    clock.advance(timedelta(seconds=1800))  # an impersonation's token lasts longest
    assert len((await keyless[KeyService].published()).unwrap().keys) == 2
    clock.advance(Keys.LAG)
    assert [key.kid for key in (await keyless[KeyService].published()).unwrap().keys] == [new]
    assert (await keyless[KeyService].purge()).unwrap() == 0
    clock.advance(timedelta(days=1, seconds=1))
    assert (await keyless[KeyService].purge()).unwrap() == 1
    assert await kids(keyless) == [new]


async def test_a_retired_keys_private_half_is_wiped(keyless: Stage) -> None:
    (await keyless[KeyService].signing_key()).unwrap()
    (await keyless[KeyService].rotate()).unwrap()
    async with keyless.runtime.db.reader.connect() as connection:
        rows = (
            await connection.execute(
                text("select retired_at is null, sealed_private_key is null from identity_signing_key")
            )
        ).all()
    assert sorted(tuple(row) for row in rows) == [(False, True), (True, False)]


async def test_rotations_at_once_leave_one_signing_key(keyless: Stage) -> None:
    await asyncio.gather(*(keyless[KeyService].rotate() for _ in range(5)))
    async with keyless.runtime.db.reader.connect() as connection:
        assert (
            await connection.execute(text("select count(*) from identity_signing_key where retired_at is null"))
        ).scalar_one() == 1


async def test_another_process_hears_of_a_rotation(keyless: Stage) -> None:
    other = another_process(keyless)
    async with other.running("worker"):
        old = (await other.parts[KeyService].signing_key()).unwrap().kid
        new = (await keyless[KeyService].rotate()).unwrap()

        async def signs_with_new() -> bool:
            return bool((await other.parts[KeyService].signing_key()).unwrap().kid == new)

        await eventually(signs_with_new)
        assert old != new


async def test_a_process_that_did_not_hear_reads_an_unknown_key_itself(
    keyless: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = another_process(keyless)
    monkeypatch.setattr(Keys, "RELOAD_EVERY_S", 0)
    try:
        (await deaf.parts[KeyService].signing_key()).unwrap()
        (await keyless[KeyService].rotate()).unwrap()
        person = await a_person(keyless)
        assert (await deaf.parts[TokenService].authenticate(person.pair.access_token)).user_id == person.id
    finally:
        await deaf.close()


async def test_a_key_made_just_after_a_look_is_not_unknown(keyless: Stage) -> None:
    """However recent that look, and before any notification came."""
    deaf = another_process(keyless)
    try:
        for _ in range(3):
            new = (await keyless[KeyService].rotate()).unwrap()
            key = (await deaf.parts[KeyService].verifying_key(new)).unwrap()
            assert key is not None
            assert key.kid == new
    finally:
        await deaf.close()


async def test_made_up_key_ids_do_not_become_reads(keyless: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, forget = keyless[KeyService], keyless[KeyService].forget
    forgotten: list[None] = []

    def counted() -> None:
        forgotten.append(None)
        forget()

    async def is_told() -> bool:
        return len(forgotten) > 1

    monkeypatch.setattr(keys, "forget", counted)
    (await keys.signing_key()).unwrap()
    await eventually(is_told)  # of the first key, after its commit and by the notification
    (await keys.signing_key()).unwrap()
    with statements(keyless.runtime.db) as reads:
        found = await asyncio.gather(*(keys.verifying_key(f"made-up-{n}") for n in range(500)))
    assert [each.unwrap() for each in found] == [None] * 500
    assert len(reads) == 1


async def test_a_changed_secret_makes_a_new_key_and_old_tokens_stay_good(keyless: Stage) -> None:
    person = await a_person(keyless)
    other = another_process(keyless, PLAZA_SECRET_KEY="another secret of more than thirty-two characters")
    try:
        fresh = (await other.parts[KeyService].signing_key()).unwrap().kid
        assert fresh != (await keyless[KeyService].verifying_key(str(fresh))).unwrap()
        assert (await other.parts[TokenService].authenticate(person.pair.access_token)).user_id == person.id
    finally:
        await other.close()


async def test_a_token_of_a_lost_key_is_refused(keyless: Stage) -> None:
    person = await a_person(keyless)
    async with keyless.runtime.db.engine.begin() as connection:
        await connection.execute(text("delete from identity_signing_key"))
    other = another_process(keyless)
    try:
        with pytest.raises(Unauthenticated):
            await other.parts[TokenService].authenticate(person.pair.access_token)
    finally:
        await other.close()
