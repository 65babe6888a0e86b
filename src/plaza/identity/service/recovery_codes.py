"""Recovery codes: what gets somebody in who has lost their authenticator app. Each once."""

from __future__ import annotations

import hashlib
import secrets

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command
from plaza.domain_events.identity import UserId
from plaza.identity.errors import MfaNotEnabled
from plaza.identity.repository import MfaRepository
from plaza.identity.schemas import RecoveryCodes
from plaza.identity.service.factors import FactorService
from plaza.identity.service.notices import Change

COUNT = 10
# Crockford's base32: 24 characters are 120 bits, enough for a plain hash (ASVS 6.5.2 asks for 112).
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_GROUPS, _LETTERS = 6, 4
_SPELLED = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, " ": None})


class RecoveryCodeService(Service):
    def __init__(self, db: Database, clock: Clock, changes: FactorService) -> None:
        super().__init__(db)
        self.clock, self.changes, self.factors = clock, changes, MfaRepository(db)

    @command(MfaNotEnabled, FactorService.begin_change)
    async def renew(self, actor: Actor) -> ServiceResult[RecoveryCodes]:
        """The earlier ones are void."""
        (await self.changes.begin_change(actor)).unwrap()
        user_id = UserId(actor.user_id)
        device = await self.factors.confirmed(user_id)
        if device is None:
            return failure(MfaNotEnabled())
        codes = await self.make(user_id)
        (
            await self.changes.end_change(
                actor,
                "identity.recovery_codes_made",
                Change.RECOVERY_CODES_MADE,
                subject=("totp_device", device.id),
                after={"count": COUNT},
            )
        ).unwrap()
        return success(codes)

    async def make(self, user_id: UserId) -> RecoveryCodes:
        """In place of all earlier ones. Under the lock of the user's row."""
        codes = [_new_code() for _ in range(COUNT)]
        await self.factors.replace_codes(user_id, [_hash(each) for each in codes], self.clock.now())
        return RecoveryCodes(recovery_codes=codes)

    async def accept(self, user_id: UserId, code: str) -> bool:
        """Whether this is one of theirs, and unused. Under the lock of the user's row."""
        return await self.factors.use_code(user_id, _hash(code), self.clock.now())


def _new_code() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS)) for _ in range(_GROUPS))


def _hash(code: str) -> bytes:
    """Letters that look like digits are read as such."""
    return hashlib.sha256(code.strip().lower().translate(_SPELLED).encode()).digest()
