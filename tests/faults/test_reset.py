"""Death between every two steps of registration and of a password's reset: nothing half done is seen, and a retry ends well."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.core.result import Success
from plaza.identity.schemas import LoginInput
from plaza.identity.service import LoginService
from tests.faults.mortal import Mortals, ask_reset, register, reset, verify, work
from tests.identity.builders import HERE, PASSWORD
from tests.support.stage import configuration_for

NEW = "a ladder to the moon"
# Of each of these there is one for every new account, or none.
MADE = """select
    (select count(*) from identity_user where email = :email),
    (select count(*) from identity_profile p join identity_user u on u.id = p.user_id where u.email = :email),
    (select count(*) from identity_verification_token where address = :email),
    (select count(*) from notifications_delivery where recipient = :email)"""
OPENED = """select u.status = 'active', u.email_verified_at is not null, u.password_hash is not null,
    exists (select from identity_verification_token t where t.address = u.email and t.used_at is not null),
    exists (select from identity_session s where s.user_id = u.id),
    exists (select from identity_session s join identity_refresh_token r on r.session_id = s.id where s.user_id = u.id),
    exists (select from identity_login_attempt a where a.user_id = u.id),
    exists (select from notifications_delivery d where d.recipient = u.email and d.kind = 'identity.welcome')
    from identity_user u where u.email = :email"""
LINKED = """select
    (select count(*) from identity_verification_token where address = :email and purpose = 'password_reset'),
    (select count(*) from notifications_delivery where recipient = :email and kind = 'identity.password_reset')"""
REPLACED = """select u.password_hash <> :before,
    exists (select from identity_verification_token t
        where t.address = u.email and t.purpose = 'password_reset' and t.used_at is not null),
    exists (select from identity_session s where s.user_id = u.id and s.revoked_reason = 'credentials_changed'),
    (select count(*) = 2 from identity_session s where s.user_id = u.id),
    exists (select from audit_entry a where a.subject_id = u.id::text and a.action = 'identity.password_reset'),
    exists (select from notifications_delivery d where d.recipient = u.email and d.kind = 'identity.security_notice')
    from identity_user u where u.email = :email"""


class World:
    """The database as the survivors see it, and processes that die over it."""

    def __init__(self, runtime: Runtime, mortals: Mortals) -> None:
        self.runtime, self.mortals = runtime, mortals

    async def row(self, question: str, **parameters: Any) -> tuple[Any, ...]:
        async with self.runtime.db.reader.connect() as connection:
            return tuple((await connection.execute(text(question), parameters)).one())

    async def mails(self, email: str) -> list[str]:
        """Oldest first."""
        async with self.runtime.db.reader.connect() as connection:
            statement = text("select body from notifications_outbox_item where recipient = :email order by at, id")
            return list((await connection.execute(statement, {"email": email})).scalars())

    async def code(self, email: str) -> str:
        (code,) = re.findall(r"\b\d{6}\b", (await self.mails(email))[-1])
        return str(code)

    async def link(self, email: str) -> str:
        (link,) = re.findall(r"#reset=([A-Za-z]+)", (await self.mails(email))[-1])
        return str(link)

    async def gets_in(self, email: str, password: str) -> bool:
        result = await self.runtime.parts[LoginService].login(LoginInput(identifier=email, password=password), HERE)
        return isinstance(result, Success)

    async def do(self, deed: Callable[..., Awaitable[str]], *arguments: str) -> str:
        """By a survivor."""
        return await deed(self.runtime, *arguments)

    async def account(self, email: str) -> None:
        assert await self.do(register, email, PASSWORD) == "OK"
        assert await self.do(work) == "OK"
        assert await self.do(verify, email, await self.code(email)) == "OK"
        assert await self.do(work) == "OK"


@pytest.fixture(scope="module")
async def world(jobs_database_url: str, redis_url: str) -> AsyncIterator[World]:
    runtime = Runtime(configuration_for(jobs_database_url, redis_url), "survivor")
    async with Mortals(jobs_database_url, redis_url) as mortals:
        yield World(runtime, mortals)
    await runtime.close()


async def deaths(
    name: str,
    prepare: Callable[[str], Awaitable[Any]],
    attempt: Callable[[Any, str, int], Awaitable[str | None]],
) -> AsyncIterator[tuple[str, Any]]:
    """One address for each step at which death comes; the last one's owner lives."""
    step, answer = 0, None
    while answer is None:
        step += 1
        email = f"{name}{step}@example.com"
        prepared = await prepare(email)
        answer = await attempt(prepared, email, step)
        yield email, prepared
    assert answer == "OK"
    assert step > 3, "there were steps to die at"


async def nothing(_: str) -> None:
    """Nothing to prepare."""


async def test_while_a_registration_is_asked_for(world: World) -> None:
    async def attempt(_: None, email: str, step: int) -> str | None:
        return await world.mortals.do(register, email, PASSWORD, dies_at=step)

    async for email, _ in deaths("asking", nothing, attempt):
        assert await world.row(MADE, email=email) == (0, 0, 0, 0)
        assert await world.do(work) == "OK"
        assert len(set(await world.row(MADE, email=email))) == 1
        assert await world.do(register, email, PASSWORD) == "OK"
        assert await world.do(work) == "OK"
        assert await world.do(verify, email, await world.code(email)) == "OK"
        assert await world.gets_in(email, PASSWORD)


async def test_while_its_code_is_made_and_mailed(world: World) -> None:
    async def prepare(email: str) -> None:
        assert await world.do(register, email, PASSWORD) == "OK"

    async def attempt(_: None, __: str, step: int) -> str | None:
        return await world.mortals.do(work, dies_at=step)

    async for email, _ in deaths("mailing", prepare, attempt):
        assert len(set(await world.row(MADE, email=email))) == 1
        assert await world.do(work) == "OK"
        assert await world.row(MADE, email=email) == (1, 1, 1, 1)
        assert len(await world.mails(email)) == 1
        assert await world.do(verify, email, await world.code(email)) == "OK"
        assert await world.gets_in(email, PASSWORD)


async def test_while_the_code_is_redeemed(world: World) -> None:
    async def prepare(email: str) -> str:
        assert await world.do(register, email, PASSWORD) == "OK"
        assert await world.do(work) == "OK"
        return await world.code(email)

    async def attempt(code: str, email: str, step: int) -> str | None:
        return await world.mortals.do(verify, email, code, dies_at=step)

    async for email, code in deaths("redeeming", prepare, attempt):
        opened = await world.row(OPENED, email=email)
        assert len(set(opened)) == 1, opened
        assert await world.do(verify, email, code) == ("TOKEN_USED" if opened[0] else "OK")
        assert set(await world.row(OPENED, email=email)) == {True}
        assert await world.gets_in(email, PASSWORD)


async def test_while_a_reset_is_asked_for(world: World) -> None:
    async def attempt(_: None, email: str, step: int) -> str | None:
        return await world.mortals.do(ask_reset, email, dies_at=step)

    async for email, _ in deaths("forgetting", world.account, attempt):
        assert await world.gets_in(email, PASSWORD)
        assert await world.do(ask_reset, email) == "OK"
        assert await world.do(work) == "OK"
        assert await world.do(reset, await world.link(email), NEW) == "OK"
        assert await world.gets_in(email, NEW)


async def test_while_its_link_is_made_and_mailed(world: World) -> None:
    async def prepare(email: str) -> None:
        await world.account(email)
        assert await world.do(ask_reset, email) == "OK"

    async def attempt(_: None, __: str, step: int) -> str | None:
        return await world.mortals.do(work, dies_at=step)

    async for email, _ in deaths("linking", prepare, attempt):
        made, told = await world.row(LINKED, email=email)
        assert made == told
        assert await world.gets_in(email, PASSWORD)
        assert await world.do(work) == "OK"
        assert await world.row(LINKED, email=email) == (1, 1)
        assert sum("#reset=" in mail for mail in await world.mails(email)) == 1
        assert await world.do(reset, await world.link(email), NEW) == "OK"
        assert await world.gets_in(email, NEW)


async def test_while_the_new_password_is_set(world: World) -> None:
    async def prepare(email: str) -> tuple[str, str]:
        await world.account(email)
        assert await world.do(ask_reset, email) == "OK"
        assert await world.do(work) == "OK"
        (before,) = await world.row("select password_hash from identity_user where email = :email", email=email)
        return before, await world.link(email)

    async def attempt(prepared: tuple[str, str], _: str, step: int) -> str | None:
        return await world.mortals.do(reset, prepared[1], NEW, dies_at=step)

    async for email, (before, link) in deaths("resetting", prepare, attempt):
        replaced = await world.row(REPLACED, email=email, before=before)
        assert len(set(replaced)) == 1, replaced
        assert await world.do(reset, link, NEW) == ("TOKEN_USED" if replaced[0] else "OK")
        assert set(await world.row(REPLACED, email=email, before=before)) == {True}
        assert await world.gets_in(email, NEW)
        assert not await world.gets_in(email, PASSWORD)
