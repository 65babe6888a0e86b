"""The keys that sign access tokens: made at the first need, kept sealed in the database, known to every process."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from joserfc.jwk import ECKey

from plaza.audit import AuditEntry, AuditService
from plaza.core.clock import Clock
from plaza.core.crypto import CannotUnseal, Sealed, Vault
from plaza.core.db import Database, Listener
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, flow
from plaza.identity.models import SigningKey
from plaza.identity.repository import KeyRepository
from plaza.identity.repository.keys import KEYS_CHANNEL
from plaza.identity.schemas import IdentitySettings, KeySet, PublicKey

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ring:
    """`signing` is None where there is no key yet, or none that this process' secret can open."""

    signing: ECKey | None
    verifying: dict[str, tuple[ECKey, datetime | None]]


class KeyService(Service):
    """Rotation overlaps: the new key signs at once, the old one verifies until its last token has expired.

    A process that missed the notification still signs with the old key until its listener is back; `LAG` allows for that.
    """

    LAG = timedelta(minutes=5)
    # A stranger's made-up key ids must not become reads: they wait for one together.
    RELOAD_EVERY_S = 1.0

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        vault: Vault,
        listener: Listener,
        audit: AuditService,
    ) -> None:
        super().__init__(db)
        self.clock, self.vault, self.audit, self.keys = clock, vault, audit, KeyRepository(db)
        longest = max(settings.access_token_s, settings.impersonation_s)
        self._verifies_for = timedelta(seconds=longest) + self.LAG
        self._ring: Ring | None = None
        self._read_at = float("-inf")
        self._reading, self._told = asyncio.Lock(), asyncio.Event()
        listener.on(KEYS_CHANNEL, lambda _: self.forget(), on_connect=self._reconnected)

    def forget(self) -> None:
        """The next question reads the keys anew."""
        self._ring = None
        self._told.set()

    async def _reconnected(self) -> None:
        self.forget()

    @flow()
    async def signing_key(self) -> ServiceResult[ECKey]:
        ring = await self._current()
        if ring.signing is None:
            (await self._ensure()).unwrap()
            ring = await self._read()
        if ring.signing is None:
            raise RuntimeError("the signing key cannot be opened: do all processes have the same PLAZA_SECRET_KEY?")
        return success(ring.signing)

    @flow()
    async def verifying_key(self, kid: str) -> ServiceResult[ECKey | None]:
        """None for a key that this installation never had, or retired too long ago.

        An unknown one may be younger than what was read, and signed a token before the notification of it came: it is refused only
        after a look that began later than the question.
        """
        ring = await self._current()
        if kid not in ring.verifying:
            ring = await self._newer()
        key, retired_at = ring.verifying.get(kid, (None, None))
        return success(key if retired_at is None or retired_at > self.clock.now() - self._verifies_for else None)

    @flow(signing_key)
    async def published(self) -> ServiceResult[KeySet]:
        """What others verify our tokens with (RFC 7517), the signing one first."""
        (await self.signing_key()).unwrap()
        ring, now = await self._current(), self.clock.now()
        alive = [
            key
            for key, retired_at in ring.verifying.values()
            if retired_at is None or retired_at > now - self._verifies_for
        ]
        return success(KeySet(keys=[_public(key) for key in alive]))

    @command()
    async def rotate(self) -> ServiceResult[str]:
        """The new key's id."""
        current = await self.keys.lock_ring()
        return success(await self._replace(current))

    @command()
    async def purge(self) -> ServiceResult[int]:
        return success(await self.keys.purge(self.clock.now() - self._verifies_for - timedelta(days=1)))

    @command()
    async def _ensure(self) -> ServiceResult[str]:
        """However many processes start at once, one key is made."""
        current = await self.keys.lock_ring()
        if current is not None and self._open(current.sealed_private_key) is not None:
            return success(current.kid)
        if current is not None:
            log.warning("signing_key_replaced", kid=current.kid, reason="sealed with another PLAZA_SECRET_KEY")
        return success(await self._replace(current))

    async def _replace(self, current: SigningKey | None) -> str:
        now = self.clock.now()
        if current is not None:
            current.retired_at, current.sealed_private_key = now, None
        key = ECKey.generate_key("P-256", private=True, auto_kid=True)
        sealed = self.vault.seal(key.as_dict(private=True)).ciphertext
        public = {name: str(value) for name, value in key.as_dict(private=False).items()}
        self.keys.add(SigningKey(kid=key.kid, sealed_private_key=sealed, public_key=public, created_at=now))
        await self.db.session.flush()
        await self.keys.tell()
        if current is not None:
            entry = AuditEntry(
                action="identity.signing_key_rotated",
                subject_type="signing_key",
                subject_id=str(key.kid),
                actor=None,
                before={"kid": current.kid},
                after={"kid": key.kid},
            )
            (await self.audit.record(entry)).unwrap()

        async def forget() -> None:
            self.forget()

        self.db.after_commit(forget)
        return str(key.kid)

    async def _current(self) -> Ring:
        if (ring := self._ring) is not None:
            return ring
        async with self._reading:
            return self._ring or await self._read()

    async def _newer(self) -> Ring:
        asked = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._read_at + self.RELOAD_EVERY_S - asked):
                await self._told.wait()
        async with self._reading:
            return self._ring if self._ring is not None and self._read_at > asked else await self._read()

    async def _read(self) -> Ring:
        self._read_at = time.monotonic()
        self._told.clear()
        rows = await self.keys.usable(self.clock.now() - self._verifies_for)
        signing = next(
            (
                opened
                for _, sealed, _, retired in rows
                if retired is None and (opened := self._open(sealed)) is not None
            ),
            None,
        )
        ring = Ring(signing, {kid: (ECKey.import_key(public), retired) for kid, _, public, retired in rows})
        self._ring = ring if not self._told.is_set() else None
        return ring

    def _open(self, sealed: str | None) -> ECKey | None:
        if sealed is None:
            return None
        try:
            return ECKey.import_key(self.vault.open(Sealed[dict[str, Any]](sealed), dict[str, Any]))
        except CannotUnseal:
            return None


def _public(key: ECKey) -> PublicKey:
    shown = key.as_dict(private=False)
    return PublicKey(kty="EC", crv="P-256", x=str(shown["x"]), y=str(shown["y"]), kid=str(shown["kid"]))
