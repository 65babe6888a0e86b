"""Refresh tokens: made, presented, and exchanged for their successors.

Only hashes are stored. That a successor can be told again is because it is derived from its token (HMAC under a key that only the server
has).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.grouping import grouped
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service
from plaza.identity.repository import RefreshTokenRepository
from plaza.identity.repository.refresh_tokens import Rotation
from plaza.identity.repository.sessions import OpenSession
from plaza.identity.schemas import IdentitySettings, Origin


class PresentedToken(NamedTuple):
    """`successors` are what it is exchanged for: under the present secret first, then as earlier ones would have had it."""

    hash: bytes
    successors: Sequence[str]
    ip: str

    @property
    def order_key(self) -> bytes:
        return self.hash

    @property
    def successor(self) -> str:
        return self.successors[0]

    def successor_with(self, hash: bytes) -> str | None:
        return next((each for each in self.successors if hash_of(each) == hash), None)


class RefreshTokens(Service):
    def __init__(self, db: Database, clock: Clock, settings: IdentitySettings, vault: Vault) -> None:
        super().__init__(db)
        self.clock, self.settings, self.vault = clock, settings, vault
        self.rows = RefreshTokenRepository(db)

    def presented(self, token: str, origin: Origin) -> PresentedToken:
        macs = self.vault.macs("refresh-successor", token)
        successors = [base64.urlsafe_b64encode(mac).rstrip(b"=").decode() for mac in macs]
        return PresentedToken(hash_of(token), successors, origin.ip)

    @grouped()
    async def rotate(self, presented: Sequence[PresentedToken]) -> Sequence[ServiceResult[OpenSession | None]]:
        """None for what is no good, or was used before. Parallel uses of one token that meet here get the same successor."""
        given = {each.hash: Rotation(uuid7(), hash_of(each.successor), each.ip) for each in presented}
        idle, longest = timedelta(seconds=self.settings.refresh_token_s), timedelta(seconds=self.settings.session_s)
        renewed = await self.rows.rotate(given, self.clock.now(), idle, longest)
        return [success(renewed.get(each.hash)) for each in presented]


def hash_of(token: str) -> bytes:
    """Enough for 256 random bits: nothing could be guessed from it."""
    return hashlib.sha256(token.encode()).digest()
