"""JSON Web Tokens of others: an allowed algorithm, a key that their issuer published, nothing else believed."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from plaza.identity.gateways.oauth.key_sets import KeySets

MAX_BYTES = 16 * 1024
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")


class SignatureRejected(Exception):
    """Says why, for the log."""


class _Header(msgspec.Struct, frozen=True):
    """Keys and addresses of keys (jwk, jku, x5u) are not even read."""

    alg: str
    typ: str = ""
    kid: str | None = None
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


async def verified(
    token: str,
    keys: KeySets,
    *,
    name: str,
    jwks_url: str,
    algorithms: Collection[str],
    types: Collection[str] | None = None,
) -> bytes:
    """The payload. `types` are the allowed `typ` headers, without their `application/`; None is any, as for id tokens (OpenID names none).

    Raises SignatureRejected, and OutsideServiceFailed where the keys cannot be had.
    """
    header = _header(token)
    if header.alg not in algorithms or header.crit is not msgspec.UNSET:
        raise SignatureRejected(f"algorithm {header.alg[:20]!r}, or a critical header")
    if types is not None and header.typ.lower().removeprefix("application/") not in {each.lower() for each in types}:
        raise SignatureRejected(f"type {header.typ[:40]!r}")
    key = await keys.key(name, jwks_url, header.kid)
    if key is None:
        raise SignatureRejected("no such key")
    return _payload(token, key, header.alg)


def unverified_payload(token: str) -> bytes | None:
    """To see whose it claims to be, before anything is believed. None where it is no token at all."""
    if len(token) > MAX_BYTES or (shape := _SHAPE.fullmatch(token)) is None:
        return None
    try:
        return _decoded(shape[2])
    except ValueError:
        return None


def _header(token: str) -> _Header:
    if len(token) > MAX_BYTES or (shape := _SHAPE.fullmatch(token)) is None:
        raise SignatureRejected("not a signed token")
    try:
        return msgspec.json.decode(_decoded(shape[1]), type=_Header)
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        raise SignatureRejected("an unreadable header") from error


def _payload(token: str, key: Key, algorithm: str) -> bytes:
    if key.alg not in (None, algorithm):
        raise SignatureRejected("a key of another algorithm")
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = MAX_BYTES
    try:
        return jws.deserialize_compact(token, key, registry=registry).payload
    except (JoseError, ValueError, TypeError) as error:
        raise SignatureRejected(f"its signature: {error}") from error


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
