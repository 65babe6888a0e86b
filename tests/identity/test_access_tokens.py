"""Access tokens: what is in one, and that none is taken for one that is not. Over HTTP: test_hostile_tokens.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from plaza.core.errors import Unauthenticated
from plaza.identity import KeyService, TokenService
from tests.identity.builders import is_accepted
from tests.identity.hostile import HOSTILE, Forge
from tests.support.clock import ManualClock
from tests.support.people import Member, member
from tests.support.stage import Stage


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
