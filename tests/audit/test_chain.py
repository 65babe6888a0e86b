"""What `plaza audit verify` finds."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from plaza.audit import AuditEntry, AuditService, ChainService, Head
from plaza.audit.service import chain
from plaza.core.crypto import Vault
from plaza.core.personal_data import Erased, Person
from plaza.core.result import ServiceResult
from plaza.core.service import Service, command
from tests.audit.builders import at_position, entries, sealed, somebody, tampering, told, verified
from tests.support.clock import ManualClock
from tests.support.command_line import CommandLine
from tests.support.servers import TestServers
from tests.support.stage import Stage
from tests.support.waiting import eventually


async def five(plaza: Stage) -> None:
    for number in range(5):
        await told(plaza, somebody(), subject_id=str(number), after={"number": number, "share": 0.1, "big": 10**20})
    assert await sealed(plaza) == 5


async def test_a_whole_chain_holds(plaza: Stage) -> None:
    await five(plaza)
    await told(plaza, somebody())

    found = await verified(plaza)
    assert (found.sealed, found.unsealed, found.erased, found.broken) == (5, 1, 0, None)
    assert found.head == (await plaza[ChainService].head()).unwrap()
    assert [entry.position for entry in await entries(plaza)] == [None, 5, 4, 3, 2, 1]


async def test_an_empty_log_holds(plaza: Stage) -> None:
    found = await verified(plaza)
    assert (found.sealed, found.head, found.broken) == (0, None, None)
    assert (await plaza[ChainService].head()).unwrap() is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("action", "'tests.other'"),
        ("actor_id", "gen_random_uuid()"),
        ("at", "at + interval '1 microsecond'"),
        ("ip", "'203.0.113.9'"),
        ("after", """'{"number": 7}'"""),
        ("before", "'{}'"),
        ("salt", "'x'"),
        ("impersonator_id", "id"),
        ("correlation_id", "'x'"),
        ("digest", "sha256('x')"),
        ("personal_digest", "sha256('x')"),
    ],
)
async def test_a_changed_entry_is_named(plaza: Stage, column: str, value: str) -> None:
    await five(plaza)
    async with tampering(plaza) as connection:
        await connection.execute(text(f"update audit_entry set {column} = {value} where position = 3"))

    found = await verified(plaza)
    assert found.broken is not None
    assert (found.broken.what, found.broken.position) == ("changed", 3)
    assert found.broken.entry_id == await at_position(plaza, 3)
    assert found.sealed == 2, "it says how far the chain holds"


@pytest.mark.parametrize("position", [1, 3])
async def test_a_removed_entry_is_named(plaza: Stage, position: int) -> None:
    await five(plaza)
    async with tampering(plaza) as connection:
        await connection.execute(text("delete from audit_entry where position = :p"), {"p": position})

    found = await verified(plaza)
    assert found.broken is not None
    assert (found.broken.what, found.broken.position, found.broken.entry_id) == ("removed", position, None)


async def test_a_removed_entry_whose_gap_was_closed_is_named(plaza: Stage) -> None:
    await five(plaza)
    async with tampering(plaza) as connection:
        await connection.execute(text("delete from audit_entry where position = 3"))
        for position in (4, 5):
            await connection.execute(
                text("update audit_entry set position = position - 1 where position = :p"), {"p": position}
            )

    found = await verified(plaza)
    assert found.broken is not None
    assert (found.broken.what, found.broken.position) == ("reordered", 3)


async def test_exchanged_entries_are_named(plaza: Stage) -> None:
    await five(plaza)
    async with tampering(plaza) as connection:
        for old, new in ((2, 99), (4, 2), (99, 4)):
            await connection.execute(
                text("update audit_entry set position = :new where position = :old"), {"old": old, "new": new}
            )

    found = await verified(plaza)
    assert found.broken is not None
    assert (found.broken.what, found.broken.position) == ("reordered", 2)
    assert found.broken.entry_id == await at_position(plaza, 2)


async def test_a_chain_that_was_sealed_anew_without_the_secret_is_forged(plaza: Stage) -> None:
    await five(plaza)
    async with tampering(plaza) as connection:
        await connection.execute(text("update audit_entry set after = '{}' where position = 2"))
        await connection.execute(
            text(
                "update audit_entry set position = null, personal_digest = null, digest = null, hash = null, mac = null, key_id = null"
            )
        )
    forger = ChainService(plaza.runtime.db, Vault("another secret"))
    (await forger.seal_all()).unwrap()

    found = await verified(plaza)
    assert found.broken is not None
    assert (found.broken.what, found.broken.position) == ("forged", 5)
    async with tampering(plaza) as connection:
        (own,) = plaza[ChainService]._keys
        await connection.execute(text("update audit_entry set key_id = :own"), {"own": own})
    found = await verified(plaza)
    assert found.broken is not None
    assert (found.broken.what, found.broken.position) == ("forged", 1)


async def test_a_cut_off_end_is_found_by_a_head_that_was_kept(plaza: Stage) -> None:
    await five(plaza)
    kept = (await verified(plaza)).head
    assert kept is not None
    async with tampering(plaza) as connection:
        await connection.execute(text("delete from audit_entry where position > 3"))
    assert (await verified(plaza)).broken is None, "what is left is a whole chain"

    shorter = (await plaza[ChainService].verify(kept)).unwrap()
    await told(plaza, somebody())
    await told(plaza, somebody())
    await sealed(plaza)
    continued = (await plaza[ChainService].verify(kept)).unwrap()

    assert shorter.broken is not None
    assert (shorter.broken.what, shorter.broken.position) == ("removed", 4)
    assert continued.broken is not None
    assert (continued.broken.what, continued.broken.position) == ("rewritten", 5)


async def test_the_secret_may_change(plaza: Stage) -> None:
    await five(plaza)
    old, db = plaza[ChainService], plaza.runtime.db
    old_secret = plaza.configuration.plaza.secret_key
    await told(plaza, somebody())
    (await ChainService(db, Vault("the new secret", [old_secret])).seal_all()).unwrap()

    with_fallback = (await ChainService(db, Vault("the new secret", [old_secret])).verify()).unwrap()
    without = (await ChainService(db, Vault("the new secret")).verify()).unwrap()
    unknown = (await old.verify()).unwrap()
    assert (with_fallback.broken, without.broken) == (None, None)
    assert unknown.broken is not None
    assert (unknown.broken.what, unknown.broken.position) == ("forged", 6)


async def test_erasing_a_person_leaves_the_chain_whole(plaza: Stage) -> None:
    ada, staff = somebody(), somebody()
    await told(plaza, ada, after={"email": "ada@example.com"})
    await told(plaza, staff, user_id=ada.user_id, after={"email": "ada@example.com"})
    await told(plaza, staff, after={"email": "grace@example.com"})
    await told(plaza, somebody(impersonator_id=ada.user_id), after={"bio": "Helped"})
    await sealed(plaza)
    await told(plaza, ada, after={"email": "lovelace@example.com"})  # not sealed when it is emptied

    assert (await plaza[AuditService].erase(Person(ada.user_id))).unwrap() == Erased({"entries": 4})
    assert (await plaza[AuditService].erase(Person(ada.user_id))).unwrap() == Erased({"entries": 0})
    found = await verified(plaza)
    assert (found.erased, found.broken) == (3, None)
    await sealed(plaza)
    found = await verified(plaza)

    assert (found.erased, found.broken) == (4, None)
    shown = await entries(plaza, action="tests.thing_changed")
    assert [entry.erased for entry in shown] == [True, True, False, True, True]
    assert [entry.after for entry in shown] == [None, None, {"email": "grace@example.com"}, None, None]
    assert [(entry.ip, entry.user_agent) for entry in shown if entry.erased] == [(None, None)] * 4
    (erasure,) = await entries(plaza, action="audit.entries_erased")
    assert (erasure.subject_id, erasure.after) == (str(ada.user_id), {"entries": 4})


async def test_an_erasure_that_nothing_tells_of_is_found(plaza: Stage) -> None:
    await five(plaza)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(
            text(
                "update audit_entry set ip = null, user_agent = null, before = null, after = null, salt = null where position = 4"
            )
        )
    found = await verified(plaza)
    assert found.broken is not None
    assert (found.broken.what, found.broken.position) == ("erased", 4)


class Slow(Service):
    """Commits when it is told to."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.runtime.db)
        self.audit, self.written, self.may_commit = stage[AuditService], asyncio.Event(), asyncio.Event()

    @command()
    async def tell(self) -> ServiceResult[None]:
        entry = AuditEntry(action="tests.slow", subject_type="thing", subject_id="1", actor=None)
        told = await self.audit.record(entry)
        await self.db.session.flush()
        self.written.set()
        await self.may_commit.wait()
        return told


async def test_what_commits_late_is_sealed_later_and_leaves_no_gap(plaza: Stage) -> None:
    slow = Slow(plaza)
    telling = asyncio.create_task(slow.tell())
    await slow.written.wait()
    await told(plaza, somebody())
    assert await sealed(plaza) == 1
    slow.may_commit.set()
    (await telling).unwrap()
    assert await sealed(plaza) == 1

    by_position = sorted((entry.position or 0, entry.action) for entry in await entries(plaza))
    assert by_position == [(1, "tests.thing_changed"), (2, "tests.slow")]
    assert (await verified(plaza)).broken is None


async def test_many_sealers_make_one_chain(plaza: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "AT_ONCE", 3)
    for _ in range(20):
        await told(plaza, somebody())
    await asyncio.gather(*(plaza[ChainService].seal_all() for _ in range(5)))
    await sealed(plaza)
    found = await verified(plaza)
    assert (found.sealed, found.unsealed, found.broken) == (20, 0, None)


async def test_the_worker_seals(plaza: Stage, clock: ManualClock) -> None:
    await told(plaza, somebody())

    async def is_sealed() -> bool:
        return (await verified(plaza)).sealed == 1

    # A round seals what is certainly committed: a transaction elsewhere on the server may leave it to the next one.
    while not await is_sealed():
        await plaza.write_crons_ahead()
        clock.advance(timedelta(seconds=15))
        with suppress(TimeoutError):
            await eventually(is_sealed, limit_s=2)


async def test_the_command_line(plaza: Stage, servers: TestServers, tmp_path: Path) -> None:
    command = CommandLine(tmp_path, DATABASE_URL=servers.database_url, REDIS_URL=servers.redis_url)
    nothing = await command("audit", "head")
    await five(plaza)
    await told(plaza, somebody())
    whole, head = await command("audit", "verify"), await command("audit", "head")
    kept = await command("audit", "verify", "--head", head.out.strip())
    nonsense = await command("audit", "verify", "--head", "7")
    async with tampering(plaza) as connection:
        await connection.execute(text("update audit_entry set action = 'tests.other' where position = 2"))
    broken = await command("audit", "verify")

    assert (nothing.status, nothing.out) == (1, "")
    assert (whole.status, whole.err) == (0, "")
    assert whole.out == "5 sealed entries hold (0 erased), 1 not yet sealed\n"
    assert Head.parse(head.out.strip()).position == 5
    assert (kept.status, nonsense.status) == (0, 2)
    assert broken.status == 1
    assert str(await at_position(plaza, 2)) in broken.err
    assert "changed" in broken.err
