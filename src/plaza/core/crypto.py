"""Keys derived from the one secret, sealed fields, keyed hashes."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

T = TypeVar("T")


class CannotUnseal(Exception):
    """The sealed text was altered, or its key is no longer among the secret and its fallbacks."""


class Sealed(msgspec.Struct, Generic[T], frozen=True):
    """A secret on its way through a table or a payload: only ciphertext is stored, logged or shown. Made by `Vault.seal`."""

    ciphertext: str

    def __repr__(self) -> str:
        return "Sealed(...)"


class Vault:
    """Every purpose has a key of its own (HKDF-SHA256). New data uses `secret`; what `fallbacks` sealed can still be opened."""

    def __init__(self, secret: str, fallbacks: Sequence[str] = ()) -> None:
        self._secrets = (secret, *fallbacks)
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in self.keys("seal")])

    def key(self, purpose: str) -> bytes:
        """32 bytes."""
        return _derive(self._secrets[0], purpose)

    def keys(self, purpose: str) -> list[bytes]:
        """The current one first, then those of the fallbacks: to check what an earlier secret signed."""
        return [_derive(each, purpose) for each in self._secrets]

    def seal(self, value: T) -> Sealed[T]:
        return Sealed(self._fernet.encrypt(msgspec.json.encode(value)).decode())

    def open(self, sealed: Sealed[T], kind: Any = str) -> T:
        """`kind` is the type that was sealed. Raises CannotUnseal."""
        try:
            plain = self._fernet.decrypt(sealed.ciphertext.encode())
        except InvalidToken as error:
            raise CannotUnseal from error
        value: T = msgspec.json.decode(plain, type=kind)
        return value

    def mac(self, purpose: str, *parts: str) -> bytes:
        """HMAC-SHA256 under the purpose's key; parts cannot run into each other."""
        return hmac.digest(self.key(purpose), _joined(parts), "sha256")

    def macs(self, purpose: str, *parts: str) -> list[bytes]:
        """As `mac` makes it and as it made it under the fallbacks."""
        return [hmac.digest(key, _joined(parts), "sha256") for key in self.keys(purpose)]


def _joined(parts: Sequence[str]) -> bytes:
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


@cache
def _derive(secret: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"plaza/" + purpose.encode()).derive(secret.encode())
