"""The public keys of others (RFC 7517), fetched from where the operator or the issuer's own description says, never from a token."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import msgspec
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from plaza.core.errors import OutsideServiceFailed
from plaza.identity.gateways.oauth.http import OutsideHttp

log = structlog.get_logger(__name__)

# Base64url characters of a modulus of 2048 bits.
_MIN_RSA_LENGTH = 342
_MAX_KEYS = 100


class _Published(msgspec.Struct):
    keys: list[dict[str, Any]]


class _KeySet:
    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.read_at: float | None = None
        self.reads: deque[float] = deque(maxlen=KeySets.READS)
        self.reading = asyncio.Lock()


class KeySets:
    """Kept for an hour. A key id that is not among them is looked for anew, but strangers' made-up ids do not become requests:

    at most `READS` of them in `READS_WITHIN_S`. A provider that cannot be reached leaves the known keys good for a day.
    """

    KEPT_S, GOOD_FOR_S = 3600.0, 86_400.0
    READS, READS_WITHIN_S = 4, 60.0

    def __init__(self, http: OutsideHttp) -> None:
        self.http = http
        self._sets: dict[str, _KeySet] = {}

    async def key(self, name: str, url: str, kid: str | None) -> Key | None:
        """None for an unknown id, and without an id where there is a choice. Raises OutsideServiceFailed."""
        found = self._sets.setdefault(url, _KeySet())
        if found.read_at is None or time.monotonic() - found.read_at > self.KEPT_S:
            await self._read(name, url, found, found.read_at)
        read_at, key = found.read_at, _chosen(found.keys, kid)
        if key is None and kid is not None:
            await self._read(name, url, found, read_at)
            key = _chosen(found.keys, kid)
        return key

    async def _read(self, name: str, url: str, found: _KeySet, seen: float | None) -> None:
        """Whoever waited for another's reading is content with what that one read."""
        async with found.reading:
            now = time.monotonic()
            if found.read_at != seen:
                return
            if len(found.reads) == self.READS and now - found.reads[0] < self.READS_WITHIN_S:
                self._make_do(name, found, now)
                return
            found.reads.append(now)
            try:
                published = await self.http.get(name, url, _Published)
            except OutsideServiceFailed:
                self._make_do(name, found, now)
                return
            found.keys, found.read_at = _usable(published.keys[:_MAX_KEYS]), time.monotonic()

    def _make_do(self, name: str, found: _KeySet, now: float) -> None:
        if found.read_at is None or now - found.read_at > self.GOOD_FOR_S:
            raise OutsideServiceFailed(f"{name} does not tell its keys.")


def _chosen(keys: list[Key], kid: str | None) -> Key | None:
    if kid is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.kid == kid), None)


def _usable(published: list[dict[str, Any]]) -> list[Key]:
    """Public ones for signatures. One that cannot be read does not spoil the others."""
    keys: list[Key] = []
    for each in published:
        if each.get("kty") not in ("RSA", "EC", "OKP") or each.get("use", "sig") != "sig":
            continue
        if each["kty"] == "RSA" and len(str(each.get("n"))) < _MIN_RSA_LENGTH:
            continue
        try:
            key = JWKRegistry.import_key(each)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("outside_key_ignored", kid=str(each.get("kid"))[:80], error=repr(error))
            continue
        keys.append(key)
    return keys
