"""Logging in by a mailed link."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from plaza.core.result import Failure, ServiceResult
from plaza.identity import TokenPair
from plaza.identity.schemas import MagicLinkConfirmation, MagicLinkInput, ResetPasswordInput
from plaza.identity.service import MagicLinkService, PasswordService
from plaza.identity.service.magic_links import s256
from tests.identity.builders import ELSEWHERE, HERE, a_person, is_accepted, jobs_done, links_to, mails_to, register
from tests.support.callers import callers
from tests.support.stage import Stage

ADA, VERIFIER = "ada@example.com", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
PATH = "/api/v1/auth/magic-link"


async def ask(plaza: Stage, email: str = ADA, challenge: str | None = None) -> None:
    (await plaza[MagicLinkService].ask(MagicLinkInput(email=email, challenge=challenge))).unwrap()


async def confirm(plaza: Stage, token: str, verifier: str | None = None) -> ServiceResult[TokenPair]:
    return await plaza[MagicLinkService].confirm(MagicLinkConfirmation(token=token, verifier=verifier), ELSEWHERE)


def code_of(result: ServiceResult[TokenPair]) -> str:
    assert isinstance(result, Failure)
    return result.error.code


async def store(plaza: Stage, statement: str) -> None:
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text(statement))


async def test_over_http_bound_to_the_device_that_asked(plaza: Stage, client: httpx.AsyncClient) -> None:
    ada = await a_person(plaza, ADA)
    # RFC 7636, appendix B
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    answer = await client.post(PATH, json={"email": ADA, "challenge": challenge})
    assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})
    (token,) = await links_to(plaza, ADA, "login")
    for verifier in ({}, {"verifier": "somebody else's"}):
        answer = await client.post(f"{PATH}/confirm", json={"token": token, **verifier})
        assert (answer.status_code, answer.json()["code"]) == (422, "CODE_INVALID")
    answer = await client.post(f"{PATH}/confirm", json={"token": token, "verifier": VERIFIER})
    assert (answer.status_code, answer.json()["user"]["id"]) == (200, str(ada.id)), "the wrong tries used nothing up"
    assert await is_accepted(plaza, answer.json()["access_token"])


async def test_looking_at_the_link_does_not_use_it_up(plaza: Stage, client: httpx.AsyncClient) -> None:
    await a_person(plaza, ADA)
    await ask(plaza)
    (mail,) = await mails_to(plaza, ADA)
    (url,) = [word for word in mail["body"].split() if "#login=" in word]
    assert urlsplit(url).path == "/"
    assert urlsplit(url).query == "", "what a server could see says nothing"
    assert (await client.get("/")).status_code == 200
    (token,) = await links_to(plaza, ADA, "login")
    assert (await client.get(f"{PATH}/confirm", params={"token": token})).status_code == 405
    assert (await confirm(plaza, token)).unwrap().user.email == ADA


async def test_once_and_for_a_quarter_of_an_hour(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    await ask(plaza)
    await ask(plaza)
    first, second = await links_to(plaza, ADA, "login", at_least=2)
    plaza.clock.advance(timedelta(minutes=14))
    (await confirm(plaza, second)).unwrap()
    assert code_of(await confirm(plaza, second)) == "TOKEN_USED"
    assert code_of(await confirm(plaza, first)) == "TOKEN_USED"
    await ask(plaza)
    token = (await links_to(plaza, ADA, "login", at_least=3))[-1]
    plaza.clock.advance(timedelta(minutes=15))
    assert code_of(await confirm(plaza, token)) == "CODE_EXPIRED"
    assert code_of(await confirm(plaza, "x" * 43)) == "CODE_INVALID"


async def test_a_link_of_one_purpose_is_no_link_of_another(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    await ask(plaza)
    (token,) = await links_to(plaza, ADA, "login")
    reset = await plaza[PasswordService].reset(ResetPasswordInput(token=token, password="a ladder to the moon"), HERE)
    assert code_of(reset) == "CODE_INVALID"
    (await confirm(plaza, token)).unwrap()


async def test_a_second_factor_is_asked_for_all_the_same(plaza: Stage) -> None:
    ada = await a_person(plaza, ADA)
    await store(
        plaza,
        "insert into identity_totp_device (id, user_id, sealed_secret, confirmed_at, created_at)"
        f" values (gen_random_uuid(), '{ada.id}', '', now(), now())",
    )
    await ask(plaza)
    (token,) = await links_to(plaza, ADA, "login")
    assert code_of(await confirm(plaza, token)) == "MFA_REQUIRED"


async def test_every_address_gets_the_same_answer_and_only_owners_a_mail(
    plaza: Stage, client: httpx.AsyncClient
) -> None:
    await a_person(plaza, ADA)
    await register(plaza, "pending@example.com")
    await a_person(plaza, "banned@example.com")
    await store(plaza, "update identity_user set status = 'banned' where email = 'banned@example.com'")
    answers = set()
    for email in (ADA, "nobody@example.com", "pending@example.com", "banned@example.com"):
        answer = await client.post(PATH, json={"email": email})
        answers.add((answer.status_code, answer.text))
    assert len(answers) == 1
    await jobs_done(plaza)
    async with plaza.runtime.db.reader.connect() as connection:
        statement = text("select recipient from notifications_outbox_item where body like '%#login=%'")
        assert list((await connection.execute(statement)).scalars()) == [ADA]


async def test_banned_meanwhile_or_an_address_no_longer_theirs(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    await ask(plaza)
    (token,) = await links_to(plaza, ADA, "login")
    await store(plaza, "update identity_user set status = 'banned'")
    assert code_of(await confirm(plaza, token)) == "ACCOUNT_DISABLED"
    await store(plaza, "update identity_user set status = 'active', email = 'lovelace@example.com'")
    assert code_of(await confirm(plaza, token)) == "CODE_INVALID"


@pytest.mark.parametrize("challenge", ["short", "x" * 44, "=" * 43, s256(VERIFIER) + "\n"])
async def test_a_challenge_has_one_shape(client: httpx.AsyncClient, challenge: str) -> None:
    answer = await client.post(PATH, json={"email": ADA, "challenge": challenge})
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_five_per_address_known_or_not_and_twenty_per_caller(plaza: Stage) -> None:
    await a_person(plaza, ADA)
    async with callers(plaza, PLAZA_RATE_LIMIT_ENABLED="true") as limited:
        for email, ip in ((ADA, "203.0.113.1"), ("nobody@example.com", "203.0.113.2")):
            async with limited.at(ip) as client:
                answers = [await client.post(PATH, json={"email": email}) for _ in range(6)]
            assert [each.status_code for each in answers] == [202] * 5 + [429]
            assert 1 <= int(answers[-1].headers["Retry-After"]) <= 900
        async with limited.at("203.0.113.3") as client:
            told = [(await client.post(PATH, json={"email": f"{n}@example.com"})).status_code for n in range(21)]
    assert told == [202] * 20 + [429]
    await jobs_done(plaza)
    assert len(await links_to(plaza, ADA, "login")) == 5
