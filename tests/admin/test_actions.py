"""What staff do to rows: always by a command of a service, in their own name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from plaza.core.ids import uuid7
from plaza.core.jobs.models import JobRow, JobState
from plaza.core.result import Failure
from plaza.identity.schemas import LoginInput
from plaza.identity.service import LoginService
from tests.admin.builders import Visitor, a_visitor, fields, keys, told, with_role
from tests.identity.builders import HERE, PASSWORD, Person, a_person, is_accepted
from tests.support.stage import Stage
from tests.support.waiting import eventually


async def rows(plaza: Stage, statement: str, **given: Any) -> list[tuple[Any, ...]]:
    async with plaza.runtime.db.engine.connect() as connection:
        return [tuple(row) for row in (await connection.execute(text(statement), given)).all()]


async def audited(plaza: Stage, action: str) -> list[tuple[UUID, str]]:
    """Who did it, and to what."""
    found = await rows(plaza, "select actor_id, subject_id from audit_entry where action = :action", action=action)
    return [(actor_id, subject_id) for actor_id, subject_id in found]


async def may_log_in(plaza: Stage, person: Person) -> bool:
    given = LoginInput(identifier=person.email, password=PASSWORD)
    return not isinstance(await plaza[LoginService].login(given, HERE), Failure)


async def offered(visitor: Visitor, view: str, key: object) -> set[str]:
    page = await visitor.see(f"/{view}/detail", pk=key)
    known = ("ban", "unban", "end-sessions", "grant", "deactivate", "reinstate", "end", "revoke", "retry")
    return {each for each in known if f'data-testid="action-{each}"' in page}


async def a_dead_letter(plaza: Stage) -> UUID:
    """The firing of a cron that was given up."""
    job, now = uuid7(), plaza.clock.now()
    row = {"id": job, "handler": "core.purge_stored_results", "queue": "default", "payload": {}, "state": JobState.DEAD}
    row |= {"error": "RuntimeError: no luck", "attempt": 5, "failures": 5, "correlation_id": "c", "causation_id": ""}
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(insert(JobRow).values(**row, run_at=now, created_at=now, ended_at=now))
    return job


async def test_a_dead_letter_is_retried_and_runs(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    job = await a_dead_letter(plaza)
    page = await visitor.see("/dead-letters/list")
    assert keys(page) == [str(job)]
    assert "no luck" in page
    assert await offered(visitor, "dead-letters", job) == {"retry"}

    answer = await visitor.do("dead-letters", "retry", job)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/dead-letters/list")
    assert "The job is queued again." in await visitor.see("/dead-letters/list")

    async def done() -> bool:
        return await rows(plaza, "select state, failures from core_job where id = :id", id=job) == [("done", 0)]

    await eventually(done)
    assert await audited(plaza, "core.job_retried") == [(visitor.person.id, str(job))]
    assert keys(await visitor.see("/dead-letters/list")) == []
    assert await offered(visitor, "jobs", job) == set(), "only what was given up"


async def test_what_is_not_dead_is_not_retried(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    job = await a_dead_letter(plaza)
    form = await visitor.see("/jobs/act", name="retry", pk=job)
    assert "Retry" in form
    assert (await visitor.do("jobs", "retry", job)).status_code == 303
    again = await visitor.http.get("/admin/jobs/act", params={"name": "retry", "pk": str(job)})
    assert (again.status_code, told(again)) == (409, "This cannot be done with this row as it is now.")
    assert len(await audited(plaza, "core.job_retried")) == 1


async def test_banning_and_lifting_the_ban(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    person = await a_person(plaza, "spam@example.com")
    assert await offered(visitor, "users", person.id) == {"ban", "end-sessions", "grant", "deactivate"}
    answer = await visitor.do("users", "ban", person.id, reason="Spam", until="")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/users/detail?pk={person.id}")
    page = await visitor.see("/users/detail", pk=person.id)
    assert "Banned. Their sessions have ended." in page
    assert (fields(page)["status"], fields(page)["ban_reason"]) == ("banned", "Spam")
    assert not await is_accepted(plaza, person.pair.access_token)
    assert not await may_log_in(plaza, person)
    assert await audited(plaza, "identity.user_banned") == [(visitor.person.id, str(person.id))]

    assert await offered(visitor, "users", person.id) == {"unban", "grant"}
    assert (await visitor.do("users", "unban", person.id)).status_code == 303
    assert await may_log_in(plaza, person)
    assert await audited(plaza, "identity.user_unbanned") == [(visitor.person.id, str(person.id))]


async def test_closing_an_account_and_opening_it_again(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    person = await a_person(plaza, "leaver@example.com")
    assert (await visitor.do("users", "deactivate", person.id, reason="Asked for by letter")).status_code == 303
    assert not await is_accepted(plaza, person.pair.access_token)
    assert await offered(visitor, "users", person.id) == {"ban", "grant", "reinstate"}
    assert (await visitor.do("users", "reinstate", person.id)).status_code == 303
    assert await may_log_in(plaza, person)


@pytest.mark.parametrize(
    ("form", "status", "refusal"),
    [
        ({}, 400, "Reason is missing."),
        ({"reason": "  "}, 400, "Reason is missing."),
        ({"reason": "x" * 501}, 400, "Expected `str` of length <= 500: Reason"),
        ({"reason": "Spam", "until": "tomorrow"}, 400, "Invalid RFC3339 encoded datetime: Until"),
        ({"reason": "Spam", "until": "2020-01-01T00:00"}, 400, "Until: Lies in the past."),
    ],
)
async def test_a_form_that_is_refused_is_shown_again_and_nothing_is_done(
    plaza: Stage, form: dict[str, str], status: int, refusal: str
) -> None:
    visitor = await a_visitor(plaza)
    person = await a_person(plaza, "spam@example.com")
    answer = await visitor.do("users", "ban", person.id, **form)
    assert answer.status_code == status
    assert refusal in told(answer)
    if form.get("reason") == "Spam":
        assert 'value="Spam"' in answer.text
    assert fields(await visitor.see("/users/detail", pk=person.id))["status"] == "active"
    assert await is_accepted(plaza, person.pair.access_token)
    assert await audited(plaza, "identity.user_banned") == []


async def test_a_session_is_ended(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    person = await a_person(plaza, "ada@example.com")
    (session,) = keys(await visitor.see("/sessions/list", user_id=person.id))
    assert (await visitor.do("sessions", "end", session)).status_code == 303
    assert not await is_accepted(plaza, person.pair.access_token)
    assert fields(await visitor.see("/sessions/detail", pk=session))["open"] == "no"
    assert await offered(visitor, "sessions", session) == set()


async def test_a_session_that_has_expired_is_not_open(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    person = await a_person(plaza, "ada@example.com")
    (session,) = keys(await visitor.see("/sessions/list", user_id=person.id))
    async with plaza.runtime.db.engine.begin() as connection:
        expired = text("update identity_session set expires_at = now() - interval '1 second' where id = :id")
        await connection.execute(expired, {"id": session})
    assert fields(await visitor.see("/sessions/detail", pk=session))["open"] == "no"
    assert await offered(visitor, "sessions", session) == set()


async def test_with_a_deleted_account_there_is_nothing_to_do(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    person = await a_person(plaza, "leaver@example.com")
    assert (await plaza.client(person.pair.access_token).delete("/api/v1/auth/user")).status_code == 202
    assert await offered(visitor, "users", person.id) == set()


async def test_all_sessions_of_a_person_are_ended(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    person = await a_person(plaza, "ada@example.com")
    assert (await visitor.do("users", "end-sessions", person.id)).status_code == 303
    assert not await is_accepted(plaza, person.pair.access_token)
    assert await may_log_in(plaza, person)


async def test_a_role_is_granted_and_revoked(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    person = await a_person(plaza, "ada@example.com")
    until = (plaza.clock.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert (await visitor.do("users", "grant", person.id, role="support", expires_at=until)).status_code == 303
    (grant,) = keys(await visitor.see("/grants/list", user_id=person.id))
    shown = fields(await visitor.see("/grants/detail", pk=grant))
    assert (shown["role"], shown["assigned_by"]) == ("support", str(visitor.person.id))
    assert shown["expires_at"] == until.replace("T", " ") + ":00"

    answer = await visitor.do("grants", "revoke", grant)
    assert answer.headers["location"] == "/admin/grants/list"
    assert keys(await visitor.see("/grants/list", user_id=person.id)) == []
    assert await audited(plaza, "identity.role_revoked") == [(visitor.person.id, str(person.id))]


async def test_what_the_service_refuses_is_told(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    person = await a_person(plaza, "ada@example.com")
    answer = await visitor.do("users", "grant", person.id, role="emperor")
    assert answer.status_code == 404
    own = await visitor.do("users", "ban", visitor.person.id, reason="Me")
    assert own.status_code in (403, 409)
    assert told(own)
    assert keys(await visitor.see("/grants/list", user_id=person.id)) == []
    await visitor.see("/")


async def test_staff_of_less_rank_reach_nobody_of_more(plaza: Stage) -> None:
    visitor = await a_visitor(plaza, role="support")
    boss = await a_person(plaza, "boss@example.com")
    await with_role(plaza, boss, "superuser")
    answer = await visitor.do("users", "ban", boss.id, reason="Coup")
    assert answer.status_code == 403
    assert await may_log_in(plaza, boss)
    assert await audited(plaza, "identity.user_banned") == []


@pytest.mark.parametrize(("action", "role"), [("ban", "staff"), ("grant", "support"), ("deactivate", "support")])
async def test_an_action_needs_its_own_permission(plaza: Stage, action: str, role: str) -> None:
    visitor = await a_visitor(plaza, role=role)
    person = await a_person(plaza, "ada@example.com")
    assert action not in await offered(visitor, "users", person.id)
    query = {"name": action, "pk": str(person.id)}
    assert (await visitor.http.get("/admin/users/act", params=query)).status_code == 403
    page = await visitor.see("/")
    form = {"csrftoken": page.split('name="csrftoken" value="')[1].split('"')[0], "reason": "x", "role": "manager"}
    assert (await visitor.http.post("/admin/users/act", params=query, data=form)).status_code == 403
    assert await is_accepted(plaza, person.pair.access_token)
    assert keys(await visitor.see("/users/list", q="ada@", status="active")) == [str(person.id)]


async def test_an_action_without_the_token_does_nothing(plaza: Stage) -> None:
    visitor = await a_visitor(plaza)
    person = await a_person(plaza, "ada@example.com")
    query = {"name": "ban", "pk": str(person.id)}
    answer = await visitor.http.post("/admin/users/act", params=query, data={"reason": "x"})
    assert answer.status_code == 403
    answer = await visitor.http.get("/admin/users/act", params={**query, "reason": "x"})
    assert answer.status_code == 200
    assert await is_accepted(plaza, person.pair.access_token)
    assert await audited(plaza, "identity.user_banned") == []


@pytest.mark.parametrize("name", ["", "delete", "export", "nothing", "__init__"])
async def test_an_action_that_does_not_exist(plaza: Stage, name: str) -> None:
    visitor = await a_visitor(plaza)
    answer = await visitor.http.get("/admin/users/act", params={"name": name, "pk": str(visitor.person.id)})
    assert answer.status_code == 404
