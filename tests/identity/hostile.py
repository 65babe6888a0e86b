"""Tokens that nobody may accept: genuine ones bent in every way known, and whatever else of ours is no access token."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from plaza.core.ids import uuid7

# The order of P-256's group: with s, n - s signs the same.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_KEYS_ELSEWHERE = "https://evil.example/keys"
_DEEP = "[" * 2000 + "]" * 2000

Header = dict[str, Any]
Claims = dict[str, Any]


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def decoded(segment: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def signed(header: Header | str, claims: Claims | str, key: ECKey) -> str:
    """A valid ES256 signature, with the smaller s, over whatever it is given."""
    segments = [b64(each if isinstance(each, str) else json.dumps(each)) for each in (header, claims)]
    message = ".".join(segments).encode()
    signature = jws.JWSRegistry.algorithms["ES256"].sign(message, key)
    s = int.from_bytes(signature[32:], "big")
    return ".".join([*segments, b64(signature[:32] + min(s, _ORDER - s).to_bytes(32, "big"))])


class Forge:
    """Our own key and a genuine token's parts, to bend."""

    def __init__(self, key: ECKey, token: str) -> None:
        self.key, self.token = key, token
        self.header: Header = decoded(token.split(".")[0])
        self.claims: Claims = decoded(token.split(".")[1])

    def with_header(self, **changes: Any) -> str:
        return signed({**self.header, **changes}, self.claims, self.key)

    def with_claims(self, **changes: Any) -> str:
        return signed(self.header, {**self.claims, **changes}, self.key)

    def without(self, part: str, name: str) -> str:
        header, claims = dict(self.header), dict(self.claims)
        (header if part == "header" else claims).pop(name)
        return signed(header, claims, self.key)

    def by_hmac(self, secret: bytes) -> str:
        """Algorithm confusion: what everybody knows as an HMAC secret."""
        message = f"{b64(json.dumps({**self.header, 'alg': 'HS256'}))}.{self.token.split('.')[1]}"
        return f"{message}.{b64(hmac.digest(secret, message.encode(), sha256))}"

    def twice(self, part: str, name: str, value: Any) -> str:
        """Our signature over a header or claims that name something twice, first as `value`."""
        header, claims = json.dumps(self.header), json.dumps(self.claims)
        again = "{" + json.dumps({name: value})[1:-1] + ","
        return (
            signed(again + header[1:], claims, self.key)
            if part == "header"
            else signed(header, again + claims[1:], self.key)
        )

    def by_foreign_key(self, **header: Any) -> str:
        return signed({**self.header, **header}, self.claims, ECKey.generate_key("P-256"))


def embedded_key(forge: Forge) -> str:
    mine = ECKey.generate_key("P-256", auto_kid=True)
    return signed({**forge.header, "jwk": mine.as_dict(private=False)}, forge.claims, mine)


def malleable(forge: Forge) -> str:
    """The other signature that fits: same bytes, same key."""
    start, _, last = forge.token.rpartition(".")
    signature = base64.urlsafe_b64decode(last + "==")
    s = int.from_bytes(signature[32:], "big")
    return f"{start}.{b64(signature[:32] + (_ORDER - s).to_bytes(32, 'big'))}"


def spelled_differently(forge: Forge) -> str:
    """The unused bits at the end of the signature's base64."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return forge.token[:-1] + letters[letters.index(forge.token[-1]) + 1]


def der_signature(forge: Forge) -> str:
    start, _, last = forge.token.rpartition(".")
    signature = base64.urlsafe_b64decode(last + "==")
    halves = [int.from_bytes(half, "big") for half in (signature[:32], signature[32:])]
    return f"{start}.{b64(encode_dss_signature(*halves))}"


def padded_signature(forge: Forge) -> str:
    return forge.token + "=="


def rsa(forge: Forge) -> str:
    key = RSAKey.generate_key(2048)
    registry = jws.JWSRegistry(algorithms=["RS256"])
    return jws.serialize_compact({**forge.header, "alg": "RS256"}, json.dumps(forge.claims), key, registry=registry)


HOSTILE: dict[str, Callable[[Forge], str]] = {
    "nothing": lambda f: "",
    "no dots": lambda f: "x" * 100,
    "two parts": lambda f: f.token.rpartition(".")[0],
    "four parts": lambda f: f.token + ".x",
    "five parts, encrypted": lambda f: ".".join([b64('{"alg":"dir","enc":"A128GCM"}'), "", "x", "x", "x"]),
    "no signature": lambda f: f.token.rpartition(".")[0] + ".",
    "alg none": lambda f: f.with_header(alg="none").rpartition(".")[0] + ".",
    "alg none with a signature": lambda f: f.with_header(alg="none"),
    "alg None in another case": lambda f: f.with_header(alg="nOnE"),
    "HMAC with the public key as PEM": lambda f: f.by_hmac(f.key.as_pem(private=False)),
    "HMAC with the public key as PEM, stripped": lambda f: f.by_hmac(f.key.as_pem(private=False).strip()),
    "HMAC with the public key as DER": lambda f: f.by_hmac(f.key.as_der(private=False)),
    "HMAC with the public key as JWK": lambda f: f.by_hmac(json.dumps(f.key.as_dict(private=False)).encode()),
    "HMAC with nothing": lambda f: f.by_hmac(b""),
    "alg HS256 with our signature": lambda f: f.with_header(alg="HS256"),
    "alg ES384": lambda f: f.with_header(alg="ES384"),
    "alg in lower case": lambda f: f.with_header(alg="es256"),
    "alg missing": lambda f: f.without("header", "alg"),
    "alg a list": lambda f: f.with_header(alg=["ES256"]),
    "RS256": rsa,
    "a flipped signature": lambda f: f.token[:-3] + ("AAA" if f.token[-3:] != "AAA" else "BBB"),
    "a signature of zeros": lambda f: f.token.rpartition(".")[0] + "." + b64(bytes(64)),
    "a padded signature": padded_signature,
    "a truncated signature": lambda f: f.token[:-43],
    "a signature of one byte more": lambda f: f.token + "AA",
    "a signature in DER": der_signature,
    "the other signature that fits": malleable,
    "the same signature, spelled differently": spelled_differently,
    "a line break at the end": lambda f: f.token + "\n",
    "a space in front": lambda f: " " + f.token,
    "another's claims": lambda f: f.token.replace(f.token.split(".")[1], b64(json.dumps({**f.claims, "sub": str(uuid7())}))),
    "a stranger's key under our id": lambda f: f.by_foreign_key(),
    "a stranger's key under an unknown id": lambda f: f.by_foreign_key(kid="unknown"),
    "a stranger's key in the header": embedded_key,
    "a stranger's certificate in the header": lambda f: f.by_foreign_key(x5c=["MIIB"], kid="unknown"),
    "keys at an address of a stranger": lambda f: f.by_foreign_key(jku=_KEYS_ELSEWHERE),
    "a certificate at an address of a stranger": lambda f: f.by_foreign_key(x5u=_KEYS_ELSEWHERE),
    "an id that is a path": lambda f: f.by_foreign_key(kid="../../dev/null"),
    "an id that is an address": lambda f: f.by_foreign_key(kid=_KEYS_ELSEWHERE),
    "an id that is SQL": lambda f: f.by_foreign_key(kid="' or 1=1 --"),
    "an id with U+0000": lambda f: f.by_foreign_key(kid="\0"),
    "an id that is half of a character": lambda f: f.by_foreign_key(kid="\ud800"),
    "an id that is a number": lambda f: f.with_header(kid=1),
    "an id that is huge": lambda f: f.by_foreign_key(kid="k" * 6000),
    "id missing": lambda f: f.without("header", "kid"),
    "typ JWT": lambda f: f.with_header(typ="JWT"),
    "typ missing": lambda f: f.without("header", "typ"),
    "typ of a logout token": lambda f: f.with_header(typ="logout+jwt"),
    "typ a list": lambda f: f.with_header(typ=["at+jwt"]),
    "alg twice": lambda f: f.twice("header", "alg", "none"),
    "id twice": lambda f: f.twice("header", "kid", "unknown"),
    "crit of nothing": lambda f: f.with_header(crit=[]),
    "crit unknown": lambda f: f.with_header(crit=["urn:x"], **{"urn:x": True}),
    "crit null": lambda f: f.with_header(crit=None),
    "crit b64": lambda f: f.with_header(crit=["b64"], b64=False),
    "header no object": lambda f: signed("[]", f.claims, f.key),
    "header no JSON": lambda f: signed("{", f.claims, f.key),
    "header no UTF-8": lambda f: f.token.replace(f.token.split(".")[0], b64(bytes([255, 254]))),
    "header nested deeply": lambda f: signed('{"alg":' + _DEEP + "}", f.claims, f.key),
    "header with a deep stranger": lambda f: signed(
        json.dumps(f.header)[:-1] + ',"x":' + _DEEP + "}", f.claims, f.key
    ),
    "claims with a deep stranger": lambda f: signed(
        f.header, json.dumps({**f.claims, "exp": "x"})[:-1] + ',"x":' + _DEEP + "}", f.key
    ),
    "times before the epoch": lambda f: f.with_claims(auth_time=-1),
    "claims no object": lambda f: signed(f.header, "[]", f.key),
    "claims no JSON": lambda f: signed(f.header, "{", f.key),
    "claims nested deeply": lambda f: signed(f.header, _DEEP, f.key),
    "subject twice": lambda f: f.twice("claims", "sub", str(uuid7())),
    "expiry twice": lambda f: f.twice("claims", "exp", 4_000_000_000),
    "an unknown claim twice, within another": lambda f: signed(
        f.header, json.dumps(f.claims)[:-1] + ',"x":{"y":1,"y":2}}', f.key
    ),
    "a text around the claims": lambda f: signed(f.header, json.dumps(json.dumps(f.claims)), f.key),
    "another issuer": lambda f: f.with_claims(iss="https://evil.example"),
    "another audience": lambda f: f.with_claims(aud="elsewhere"),
    "several audiences": lambda f: f.with_claims(aud=["plaza", "elsewhere"]),
    "expired": lambda f: f.with_claims(exp=f.claims["iat"]),
    "expiry missing": lambda f: f.without("claims", "exp"),
    "expiry a text": lambda f: f.with_claims(exp=str(f.claims["exp"])),
    "expiry a fraction": lambda f: f.with_claims(exp=f.claims["exp"] + 0.5),
    "expiry beyond all calendars": lambda f: f.with_claims(exp=10**17),
    "expiry infinite": lambda f: signed(f.header, json.dumps({**f.claims, "exp": float("inf")}), f.key),
    "not yet good": lambda f: f.with_claims(nbf=f.claims["nbf"] + 3600),
    "issued in the future": lambda f: f.with_claims(iat=f.claims["iat"] + 3600),
    "subject no id": lambda f: f.with_claims(sub="ada"),
    "session missing": lambda f: f.without("claims", "sid"),
    "session null": lambda f: f.with_claims(sid=None),
    "staff a text": lambda f: f.with_claims(staff="yes"),
    "longer than 8 KiB": lambda f: f.with_claims(more="x" * 8192),
}  # fmt: skip
