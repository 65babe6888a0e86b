"""Access tokens: what is in one, and a corpus of those that are refused."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from plaza.core.errors import Unauthenticated
from plaza.core.ids import uuid7
from plaza.identity import KeyService, TokenService
from tests.identity.builders import is_accepted
from tests.support.clock import ManualClock
from tests.support.people import Member, member
from tests.support.stage import Stage

Header = dict[str, Any]
Claims = dict[str, Any]


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def decoded(segment: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def signed(header: Header | str, claims: Claims | str, key: ECKey) -> str:
    """A valid ES256 signature over whatever it is given."""
    segments = [b64(each if isinstance(each, str) else json.dumps(each)) for each in (header, claims)]
    message = ".".join(segments).encode()
    signature = jws.JWSRegistry.algorithms["ES256"].sign(message, key)
    return ".".join([*segments, b64(signature)])


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

    def hmac_by_public_key(self) -> str:
        """Algorithm confusion: the public key as an HMAC secret."""
        message = f"{b64(json.dumps({**self.header, 'alg': 'HS256'}))}.{self.token.split('.')[1]}"
        secret = self.key.as_pem(private=False)
        return f"{message}.{b64(hmac.digest(secret, message.encode(), sha256))}"

    def by_foreign_key(self, **header: Any) -> str:
        return signed({**self.header, **header}, self.claims, ECKey.generate_key("P-256"))


def embedded_key(forge: Forge) -> str:
    mine = ECKey.generate_key("P-256", auto_kid=True)
    return signed({**forge.header, "jwk": mine.as_dict(private=False)}, forge.claims, mine)


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
    "alg HS256 over the public key": lambda f: f.hmac_by_public_key(),
    "alg HS256 with our signature": lambda f: f.with_header(alg="HS256"),
    "alg ES384": lambda f: f.with_header(alg="ES384"),
    "alg in lower case": lambda f: f.with_header(alg="es256"),
    "alg missing": lambda f: f.without("header", "alg"),
    "alg a list": lambda f: f.with_header(alg=["ES256"]),
    "RS256": rsa,
    "a flipped signature": lambda f: f.token[:-3] + ("AAA" if f.token[-3:] != "AAA" else "BBB"),
    "a signature of zeros": lambda f: f.token.rpartition(".")[0] + "." + b64(bytes(64)),
    "a padded signature": padded_signature,
    "a line break at the end": lambda f: f.token + "\n",
    "a space in front": lambda f: " " + f.token,
    "another's claims": lambda f: f.token.replace(f.token.split(".")[1], b64(json.dumps({**f.claims, "sub": str(uuid7())}))),
    "a stranger's key under our id": lambda f: f.by_foreign_key(),
    "a stranger's key under an unknown id": lambda f: f.by_foreign_key(kid="unknown"),
    "a stranger's key in the header": embedded_key,
    "an id that is a path": lambda f: f.by_foreign_key(kid="../../dev/null"),
    "an id that is SQL": lambda f: f.by_foreign_key(kid="' or 1=1 --"),
    "an id that is a number": lambda f: f.with_header(kid=1),
    "id missing": lambda f: f.without("header", "kid"),
    "typ JWT": lambda f: f.with_header(typ="JWT"),
    "typ missing": lambda f: f.without("header", "typ"),
    "crit of nothing": lambda f: f.with_header(crit=[]),
    "crit unknown": lambda f: f.with_header(crit=["urn:x"], **{"urn:x": True}),
    "crit null": lambda f: f.with_header(crit=None),
    "crit b64": lambda f: f.with_header(crit=["b64"], b64=False),
    "header no object": lambda f: signed("[]", f.claims, f.key),
    "header no JSON": lambda f: signed("{", f.claims, f.key),
    "header no UTF-8": lambda f: f.token.replace(f.token.split(".")[0], b64(bytes([255, 254]))),
    "header nested deeply": lambda f: signed('{"alg":' + "[" * 2000 + "]" * 2000 + "}", f.claims, f.key),
    "header with a deep stranger": lambda f: signed(
        json.dumps(f.header)[:-1] + ',"x":' + "[" * 2000 + "]" * 2000 + "}", f.claims, f.key
    ),
    "claims with a deep stranger": lambda f: signed(
        f.header, json.dumps({**f.claims, "exp": "x"})[:-1] + ',"x":' + "[" * 2000 + "]" * 2000 + "}", f.key
    ),
    "times before the epoch": lambda f: f.with_claims(auth_time=-1),
    "claims no object": lambda f: signed(f.header, "[]", f.key),
    "claims no JSON": lambda f: signed(f.header, "{", f.key),
    "claims nested deeply": lambda f: signed(f.header, "[" * 2000 + "]" * 2000, f.key),
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
    "an API key": lambda f: "plz_abcdef_0123456789",
}  # fmt: skip


@pytest.fixture
async def person(plaza: Stage) -> Member:
    return await member(plaza, "ada")


@pytest.fixture
async def forge(plaza: Stage, person: Member) -> Forge:
    return Forge((await plaza[KeyService].signing_key()).unwrap(), person.token)


async def test_the_forge_makes_good_tokens(plaza: Stage, forge: Forge) -> None:
    assert forge.header["kid"] == forge.key.kid
    assert await is_accepted(plaza, forge.with_claims(jti="x"))


@pytest.mark.parametrize("name", HOSTILE)
async def test_refused(plaza: Stage, forge: Forge, name: str) -> None:
    with pytest.raises(Unauthenticated):
        await plaza[TokenService].authenticate(HOSTILE[name](forge))
    assert await is_accepted(plaza, forge.token)


@pytest.mark.parametrize(
    "name",
    ["alg none", "alg HS256 over the public key", "expired", "a stranger's key in the header", "longer than 8 KiB"],
)
async def test_refused_over_http(plaza: Stage, forge: Forge, name: str) -> None:
    async with plaza.client(HOSTILE[name](forge)) as client:
        answer = await client.get("/api/v1/auth/user")
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
async def test_another_scheme_is_no_token(plaza: Stage, client: httpx.AsyncClient, person: Member, scheme: str) -> None:
    answer = await client.get("/api/v1/auth/user", headers={"Authorization": f"{scheme} {person.token}".strip()})
    assert answer.status_code == 401


async def test_keys_and_addresses_of_keys_in_the_header_are_ignored(plaza: Stage, forge: Forge) -> None:
    """A genuine token with them is good, because nobody looks there; nothing is fetched: tests' network is closed."""
    mine = ECKey.generate_key("P-256").as_dict(private=False)
    for header in ({"jwk": mine}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/cert"}):
        assert await is_accepted(plaza, forge.with_header(**header))


async def test_what_a_token_says(person: Member, forge: Forge, plaza: Stage) -> None:
    assert set(forge.header) == {"alg", "typ", "kid"}
    assert (forge.header["alg"], forge.header["typ"]) == ("ES256", "at+jwt")
    assert set(forge.claims) == {"iss", "aud", "sub", "sid", "iat", "nbf", "exp", "auth_time"}
    assert forge.claims["iss"] == plaza.configuration.plaza.issuer
    assert forge.claims["sub"] == str(person.id)
    assert forge.claims["exp"] - forge.claims["iat"] == 900
    actor = await plaza[TokenService].authenticate(forge.token)
    assert (actor.user_id, str(actor.session_id)) == (person.id, forge.claims["sid"])
    assert not actor.is_staff
    assert not actor.is_superuser


async def test_a_known_token_still_expires(plaza: Stage, clock: ManualClock, forge: Forge) -> None:
    assert await is_accepted(plaza, forge.token)
    clock.advance(timedelta(seconds=899))
    assert await is_accepted(plaza, forge.token)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        await plaza[TokenService].authenticate(forge.token)


async def test_a_signature_is_verified_once(plaza: Stage, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    token, verified = forge.with_claims(jti="once"), []
    verify = jws.deserialize_compact

    def counting(*args: Any, **kwargs: Any) -> Any:
        verified.append(args)
        return verify(*args, **kwargs)

    monkeypatch.setattr(jws, "deserialize_compact", counting)
    for _ in range(5):
        assert await is_accepted(plaza, token)
    assert len(verified) == 1


async def test_the_memory_of_tokens_is_bounded(plaza: Stage, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TokenService, "REMEMBERED", 5)
    for n in range(20):
        assert await is_accepted(plaza, forge.with_claims(jti=str(n)))
    assert len(plaza[TokenService]._verified) <= 5
