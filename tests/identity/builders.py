"""People and their mail, made through the services."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from plaza.core.actor import Actor
from plaza.core.errors import Unauthenticated
from plaza.core.result import ServiceResult
from plaza.domain_events.identity import UserId
from plaza.identity import Origin, TokenPair, TokenService, UserService
from plaza.identity.schemas import LoginInput, PhoneCodeInput, PhoneInput, RegistrationInput, VerifyEmailInput
from plaza.identity.service import LoginService, PhoneService, RegistrationService
from tests.support.stage import Stage
from tests.support.waiting import eventually

PASSWORD = "a lantern over water"
HERE = Origin(ip="127.0.0.1", user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
ELSEWHERE = Origin(ip="203.0.113.9", user_agent="curl/8.0")

_CODE = re.compile(r"\b\d{6}\b")
_ON_THEIR_WAY = text("select count(*) from notifications_delivery where recipient = :to and state = 'queued'")
_ARRIVED = text(
    "select channel, subject, body, at from notifications_outbox_item where recipient = :to order by delivery_id"
)  # ids of deliveries sort by the time they were made


@dataclass(frozen=True, slots=True)
class Person:
    id: UserId
    email: str
    pair: TokenPair
    actor: Actor

    @property
    def refresh_token(self) -> str:
        assert self.pair.refresh_token is not None
        return self.pair.refresh_token


async def a_person(plaza: Stage, email: str = "ada@example.com", *, name: str = "Ada") -> Person:
    """Verified, with PASSWORD, logged in from HERE."""
    (await plaza[UserService].create(email, PASSWORD, display_name=name)).unwrap()
    return await logged_in(plaza, email)


async def logged_in(plaza: Stage, email: str, password: str = PASSWORD, origin: Origin = HERE) -> Person:
    pair = (await plaza[LoginService].login(LoginInput(identifier=email, password=password), origin)).unwrap()
    return Person(pair.user.id, email, pair, await plaza[TokenService].authenticate(pair.access_token))


async def by_phone(plaza: Stage, phone: str, origin: Origin = HERE) -> Person:
    """Signed up, or logged in again, by a code that went to the number."""
    before = len(await codes_to(plaza, phone, at_least=0))
    (await plaza[PhoneService].send_code(None, PhoneInput(phone=phone))).unwrap()
    code = (await codes_to(plaza, phone, at_least=before + 1))[-1]
    pair = (await plaza[PhoneService].log_in(PhoneCodeInput(phone=phone, code=code), origin)).unwrap()
    return Person(pair.user.id, "", pair, await plaza[TokenService].authenticate(pair.access_token))


async def code_for(plaza: Stage, person: Person, phone: str) -> str:
    """Sent to the number that they want for their account."""
    before = len(await codes_to(plaza, phone, at_least=0))
    (await plaza[PhoneService].send_code(person.actor, PhoneInput(phone=phone))).unwrap()
    return (await codes_to(plaza, phone, at_least=before + 1))[-1]


async def register(plaza: Stage, email: str, password: str | None = PASSWORD, name: str | None = "Ada") -> None:
    given = RegistrationInput(email=email, password=password, display_name=name)
    (await plaza[RegistrationService].register(given)).unwrap()


async def verify(plaza: Stage, email: str, code: str, origin: Origin = HERE) -> ServiceResult[TokenPair]:
    return await plaza[RegistrationService].verify(VerifyEmailInput(email=email, code=code), origin)


async def is_accepted(plaza: Stage, access_token: str) -> bool:
    try:
        await plaza[TokenService].authenticate(access_token)
    except Unauthenticated:
        return False
    return True


async def mails_to(plaza: Stage, email: str, *, at_least: int = 1) -> list[dict[str, Any]]:
    """Waits for that many, and for whatever is on its way; in the order in which they were written, whichever overtook another."""
    found: list[dict[str, Any]] = []

    async def arrived() -> bool:
        async with plaza.runtime.db.reader.connect() as connection:
            waiting = await connection.scalar(_ON_THEIR_WAY, {"to": email})
            found[:] = [dict(row) for row in (await connection.execute(_ARRIVED, {"to": email})).mappings()]
        return waiting == 0 and len(found) >= at_least

    await eventually(arrived)
    return found


async def is_told(plaza: Stage, email: str, words: str) -> None:
    """Waits for a mail that says so; others may come before it."""

    async def told() -> bool:
        return any(words in mail["body"] for mail in await mails_to(plaza, email))

    await eventually(told)


async def codes_to(plaza: Stage, email: str, *, at_least: int = 1) -> list[str]:
    """Oldest first. Each mail holds exactly one number of six digits, or none."""
    codes: list[str] = []

    async def arrived() -> bool:
        bodies = [mail["body"] for mail in await mails_to(plaza, email, at_least=min(at_least, 1))]
        found = [_CODE.findall(body) for body in bodies]
        assert all(len(each) <= 1 for each in found), bodies
        codes[:] = [code for each in found for code in each]
        return len(codes) >= at_least

    await eventually(arrived)
    return codes


async def links_to(plaza: Stage, email: str, kind: str, *, at_least: int = 1) -> list[str]:
    """The tokens of mailed links (`#reset=...`), oldest first."""
    found: list[str] = []

    async def arrived() -> bool:
        bodies = [mail["body"] for mail in await mails_to(plaza, email)]
        found[:] = [token for body in bodies for token in re.findall(rf"#{kind}=([A-Za-z]+)", body)]
        return len(found) >= at_least

    await eventually(arrived)
    return found


async def jobs_done(plaza: Stage) -> None:
    """Nothing waits and nothing runs in the worker. Raises AssertionError where one was given up, with what it said."""
    found: list[Any] = []

    async def idle() -> bool:
        async with plaza.runtime.db.reader.connect() as connection:
            jobs = text(
                "select state, handler, attempt, error from core_job"
                " where state = 'dead' or (state in ('queued', 'leased') and run_at <= :now)"
            )
            found[:] = await connection.execute(jobs, {"now": plaza.clock.now()})
        return all(job.state == "dead" for job in found)

    try:
        await eventually(idle)
    finally:
        assert found == [], found


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"
