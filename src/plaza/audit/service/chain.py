"""The chain over the entries: each is sealed over the one before.

    digest = SHA-256(what stands for ever, personal_digest)        personal_digest = SHA-256(salt, what erasure empties)
    hash   = SHA-256(hash of the entry before, position, digest)   mac = HMAC-SHA256(key, hash)

The hash of an entry covers all before it, and so does its mac: a chain whose last mac is good was written by who knew the secret. After
a change of the secret the older macs need its fallback to be checked, but are covered by the next good one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from plaza.audit.repository import EntryRepository
from plaza.audit.schemas import Broken, Head, Verified
from plaza.audit.service.entries import ERASED
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, flow, query

AT_ONCE = 1_000
_PURPOSE = "audit"
_GENESIS = Head(0, bytes(32))
_FOR_EVER = (
    "id",
    "at",
    "action",
    "subject_type",
    "subject_id",
    "actor_id",
    "user_id",
    "session_id",
    "api_key_id",
    "impersonator_id",
    "organization_id",
    "correlation_id",
)
_PERSONAL = ("ip", "user_agent", "before", "after")


class ChainService(Service):
    def __init__(self, db: Database, vault: Vault) -> None:
        super().__init__(db)
        self.entries = EntryRepository(db)
        self._keys = {_id_of(key): key for key in vault.keys(_PURPOSE)}

    @flow()
    async def seal_all(self) -> ServiceResult[int]:
        """Chains whatever was committed by now; how many that were."""
        sealed, count = 0, AT_ONCE
        while count == AT_ONCE:
            count = (await self.seal()).unwrap()
            sealed += count
        return success(sealed)

    @command()
    async def seal(self) -> ServiceResult[int]:
        """Chains up to `AT_ONCE` entries that stand committed; 0 also where another process is at it.

        One whose transaction commits later follows later: the order of the chain is the order of sealing, and has no gaps.
        """
        if not await self.entries.may_seal():
            return success(0)
        last = await self.entries.head()
        head = Head(last.position, last.hash) if last else _GENESIS
        key_id, key = next(iter(self._keys.items()))
        seals = []
        for row in await self.entries.unsealed(AT_ONCE):
            personal = personal_digest(row)
            digest = content_digest(row, personal)
            head = following(head, digest)
            seals.append(
                {
                    "entry_id": row.id,
                    "position": head.position,
                    "personal_digest": personal,
                    "digest": digest,
                    "hash": head.hash,
                    "mac": hmac.digest(key, head.hash, "sha256"),
                    "key_id": key_id,
                }
            )
        if seals:
            await self.entries.seal(seals)
        return success(len(seals))

    @query()
    async def head(self) -> ServiceResult[Head | None]:
        last = await self.entries.head()
        return success(Head(last.position, last.hash) if last else None)

    @query()
    async def verify(self, kept: Head | None = None) -> ServiceResult[Verified]:
        """Walks the chain up to its first broken entry. `kept` is a head from an earlier day that the chain must run through."""
        walk = _Walk(self._keys, kept)
        while walk.broken is None and (rows := await self.entries.chain(walk.head.position, AT_ONCE)):
            walk.along(rows)
        if walk.broken is None:
            walk.end(await self.entries.unsealed_subjects(ERASED))
        unsealed = await self.entries.count_unsealed()
        head = walk.head if walk.head.position else None
        return success(
            Verified(sealed=walk.head.position, erased=walk.erased, unsealed=unsealed, head=head, broken=walk.broken)
        )


class _Walk:
    def __init__(self, keys: dict[str, bytes], kept: Head | None) -> None:
        self.keys, self.kept = keys, kept
        self.head, self.erased = _GENESIS, 0
        self.broken: Broken | None = None
        self._covered = True
        self._last: Any = None
        self._announced: set[str] = set()  # whose erasure an entry tells of
        self._emptied: dict[tuple[str, ...], Broken] = {}  # the first emptied entry of the same people

    def along(self, rows: Sequence[Any]) -> None:
        for row in rows:
            self.broken = self._step(row)
            if self.broken is not None:
                return

    def end(self, announced: set[str]) -> None:
        """`announced` are erasures whose entries are not sealed yet."""
        if self.kept is not None and self.head.position < self.kept.position:
            self.broken = Broken(self.head.position + 1, None, "removed")
        elif not self._covered:
            self.broken = Broken(self._last.position, self._last.id, "forged")
        else:
            known = self._announced | announced
            unexplained = [each for people, each in self._emptied.items() if known.isdisjoint(people)]
            self.broken = min(unexplained, key=lambda each: each.position, default=None)

    def _step(self, row: Any) -> Broken | None:
        if row.position != self.head.position + 1:
            return Broken(self.head.position + 1, None, "removed")
        is_erased = row.salt is None
        personal = row.personal_digest if is_erased else personal_digest(row)
        if personal != row.personal_digest or content_digest(row, personal) != row.digest or _is_half_erased(row):
            return Broken(row.position, row.id, "changed")
        head = following(self.head, row.digest)
        if head.hash != row.hash:
            return Broken(row.position, row.id, "reordered")
        key = self.keys.get(row.key_id)
        if key is not None and not hmac.compare_digest(hmac.digest(key, head.hash, "sha256"), row.mac):
            return Broken(row.position, row.id, "forged")
        if self.kept is not None and self.kept.position == head.position and self.kept.hash != head.hash:
            return Broken(row.position, row.id, "rewritten")
        if is_erased:
            self.erased += 1
            people = str(row.actor_id), str(row.user_id), str(row.impersonator_id)
            self._emptied.setdefault(people, Broken(row.position, row.id, "erased"))
        if row.action == ERASED:
            self._announced.add(row.subject_id)
        self.head, self._last, self._covered = head, row, key is not None
        return None


def content_digest(row: Any, personal: bytes) -> bytes:
    return _digest(*(_spelled(getattr(row, name)) for name in _FOR_EVER), personal.hex())


def personal_digest(row: Any) -> bytes:
    """As PostgreSQL gives it back: what JSON numbers look like is settled by then. Of what was emptied before sealing, of nothing."""
    return _digest((row.salt or b"").hex(), *(_spelled(getattr(row, name)) for name in _PERSONAL))


def following(head: Head, digest: bytes) -> Head:
    position = head.position + 1
    return Head(position, hashlib.sha256(head.hash + position.to_bytes(8, "big") + digest).digest())


def _spelled(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def _digest(*values: Any) -> bytes:
    return hashlib.sha256(msgspec.json.encode(values, order="deterministic")).digest()


def _is_half_erased(row: Any) -> bool:
    return row.salt is None and any(getattr(row, name) is not None for name in _PERSONAL)


def _id_of(key: bytes) -> str:
    return hashlib.sha256(b"plaza/audit/key" + key).hexdigest()[:16]
