"""What the owner hears of logins, and what the audit log keeps of sessions."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from plaza.core.ids import uuid7
from plaza.core.origin import coming_from
from plaza.core.result import Failure
from plaza.domain_events.identity import SessionId
from plaza.identity import Origin, SessionService
from plaza.identity.models import EndReason
from plaza.identity.schemas import LoginInput
from plaza.identity.service import LoginService
from tests.identity.builders import HERE, PASSWORD, Person, a_person, jobs_done, logged_in, mails_to
from tests.support.stage import Stage

ADA = "ada@example.com"
FIREFOX_141 = HERE.user_agent.replace("140.0", "141.0.2")
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1"


async def from_device(plaza: Stage, user_agent: str, ip: str = "198.51.100.7") -> Person:
    """As the HTTP edge has it."""
    with coming_from(ip, user_agent):
        return await logged_in(plaza, ADA, origin=Origin(ip=ip, user_agent=user_agent))


async def notices(plaza: Stage, email: str = ADA) -> list[dict[str, Any]]:
    """All that have been written by now, oldest first."""
    await jobs_done(plaza)
    return await mails_to(plaza, email, at_least=0)


async def entries(plaza: Stage) -> list[tuple[str, str, str | None]]:
    """(action, session, reason), in the order in which they were written."""
    async with plaza.runtime.db.reader.connect() as connection:
        rows = await connection.execute(
            text(
                "select action, subject_id, after ->> 'reason' from audit_entry where subject_type = 'session' order by id"
            )
        )
        return [(row[0], row[1], row[2]) for row in rows]


async def test_the_first_login_of_an_account_is_no_news(plaza: Stage) -> None:
    await a_person(plaza)
    assert await notices(plaza) == []


async def test_a_new_device_is_told_with_its_name_and_address(plaza: Stage) -> None:
    await a_person(plaza)
    await from_device(plaza, PHONE)
    [mail] = await notices(plaza)
    assert "new login" in mail["subject"]
    assert "Safari on iOS, 198.51.100.7" in mail["body"]


async def test_a_device_is_new_once_also_when_its_session_has_ended(plaza: Stage) -> None:
    await a_person(plaza)
    person = await from_device(plaza, PHONE)
    (await plaza[SessionService].logout(person.actor, None)).unwrap()
    await from_device(plaza, PHONE, ip="203.0.113.50")
    assert len(await notices(plaza)) == 1


async def test_an_updated_browser_is_the_same_device(plaza: Stage) -> None:
    await a_person(plaza)
    await from_device(plaza, FIREFOX_141)
    assert await notices(plaza) == []


async def test_another_persons_device_is_new(plaza: Stage) -> None:
    await a_person(plaza, "grace@example.com", name="Grace")
    await a_person(plaza)
    await from_device(plaza, PHONE)
    with coming_from("198.51.100.7", PHONE):
        await logged_in(plaza, "grace@example.com", origin=Origin(ip="198.51.100.7", user_agent=PHONE))
    assert len(await notices(plaza)) == len(await notices(plaza, "grace@example.com")) == 1


async def test_a_login_that_failed_is_neither_told_nor_written_down_as_one(plaza: Stage) -> None:
    await a_person(plaza)
    before = await entries(plaza)
    given = LoginInput(identifier=ADA, password="not the password")
    assert isinstance(await plaza[LoginService].login(given, Origin(ip="198.51.100.7", user_agent=PHONE)), Failure)
    assert await notices(plaza) == []
    assert await entries(plaza) == before


async def test_the_owner_hears_of_a_copied_token(plaza: Stage) -> None:
    person = await a_person(plaza)
    first = (await plaza[SessionService].refresh(person.refresh_token, HERE)).unwrap()
    (await plaza[SessionService].refresh(first.refresh_token or "", HERE)).unwrap()
    for _ in range(3):
        with coming_from("203.0.113.66", "thief/1.0"):
            await plaza[SessionService].refresh(person.refresh_token, HERE)
    [mail] = await notices(plaza)
    assert "used a second time" in mail["body"]
    assert "203.0.113.66" in mail["body"]
    assert person.refresh_token not in mail["body"]


# The audit log


async def test_each_session_is_opened_and_ended_once_in_the_log(plaza: Stage) -> None:
    sessions = plaza[SessionService]
    one = await a_person(plaza)
    two, three, four = [await logged_in(plaza, ADA) for _ in range(3)]
    ids = [str(each.actor.session_id) for each in (one, two, three, four)]
    (await sessions.logout(None, one.refresh_token)).unwrap()
    (await sessions.logout(one.actor, one.refresh_token)).unwrap()
    (await sessions.end(three.actor, SessionId(two.actor.session_id or uuid7()))).unwrap()
    (await sessions.logout_all(three.actor)).unwrap()
    (await sessions.end_all(three.id, EndReason.ACCOUNT_DISABLED)).unwrap()
    opened = [("identity.session_opened", each, None) for each in ids]
    ended = [(ids[0], "logout"), (ids[1], "ended"), (ids[2], "logout_all"), (ids[3], "logout_all")]
    written = await entries(plaza)
    assert written[:6] == [*opened, *[("identity.session_ended", *each) for each in ended[:2]]]
    assert sorted(written[6:]) == [("identity.session_ended", *each) for each in ended[2:]]


async def test_a_refresh_leaves_no_entry_and_a_reused_token_one(plaza: Stage) -> None:
    person = await a_person(plaza)
    before = await entries(plaza)
    first = (await plaza[SessionService].refresh(person.refresh_token, HERE)).unwrap()
    (await plaza[SessionService].refresh(first.refresh_token or "", HERE)).unwrap()
    assert await entries(plaza) == before
    assert isinstance(await plaza[SessionService].refresh(person.refresh_token, HERE), Failure)
    told = ("identity.session_ended", str(person.actor.session_id), "refresh_reused")
    assert await entries(plaza) == [*before, told]


async def test_a_login_that_takes_a_sessions_place_is_told_as_such(plaza: Stage) -> None:
    person = await a_person(plaza)
    session_id = SessionId(person.actor.session_id or uuid7())
    again = await logged_in(plaza, ADA, origin=Origin(HERE.ip, HERE.user_agent, replaces=session_id))
    assert (await entries(plaza))[1:] == [
        ("identity.session_opened", str(again.actor.session_id), None),
        ("identity.session_ended", str(session_id), "reauthenticated"),
    ]


async def test_what_is_rolled_back_leaves_no_entry(plaza: Stage) -> None:
    person = await a_person(plaza)
    before = await entries(plaza)

    async def body() -> None:
        (await plaza[SessionService].logout_all(person.actor)).unwrap()
        raise RuntimeError("afterwards")

    with pytest.raises(RuntimeError, match="afterwards"):
        await plaza.runtime.db.run(body)  # type: ignore[arg-type] # it never answers
    assert await entries(plaza) == before


async def test_an_entry_says_who_and_from_where(plaza: Stage, client: httpx.AsyncClient) -> None:
    person = await a_person(plaza)
    login = await client.post(
        "/api/v1/auth/login", json={"identifier": ADA, "password": PASSWORD}, headers={"User-Agent": PHONE}
    )
    assert login.status_code == 200
    async with plaza.runtime.db.reader.connect() as connection:
        row = (await connection.execute(text("select * from audit_entry order by id desc limit 1"))).mappings().one()
    assert (row["action"], row["actor_id"], row["user_id"]) == ("identity.session_opened", person.id, person.id)
    assert str(row["session_id"]) == row["subject_id"] != str(person.actor.session_id)
    assert (row["ip"], row["user_agent"]) == ("127.0.0.1", PHONE)
    assert row["correlation_id"] == login.headers["X-Request-ID"]
    assert row["after"] == {"device": "Safari on iOS", "methods": ["pwd"]}
    assert all(secret not in str(dict(row)) for secret in (login.json()["refresh_token"], PASSWORD))
