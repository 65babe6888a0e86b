"""Tokens, repetitions and refusals, over the real API."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from uuid import uuid4

import httpx2
import msgspec
import pytest

from plaza.client import Plaza, Tokens
from plaza.client.errors import (
    BadRequest,
    Limited,
    Misunderstood,
    NotFound,
    SessionOver,
    Unauthenticated,
    Unreachable,
)
from tests.client.somebody import Meet, Somebody
from tests.support.outside import PASSWORD, sign_up
from tests.support.stage import Stage
from tests.support.waiting import PATIENCE_S
from tests.support.wire import Wire

EMAIL = "ada@example.com"
REFRESH = "/api/v1/auth/token/refresh"
UNAVAILABLE = {
    "type": "about:blank",
    "title": "Unavailable",
    "status": 503,
    "detail": "Busy",
    "code": "UNAVAILABLE",
    "correlation_id": "1",
}


class Requests:
    """The paths that were asked for."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.http = httpx2.AsyncClient(timeout=PATIENCE_S, event_hooks={"request": [self._note]})

    async def _note(self, request: httpx2.Request) -> None:
        self.paths.append(request.url.path)


@pytest.fixture
async def signed_up(plaza: Stage) -> None:
    await sign_up(plaza.client(), EMAIL, name="Ada")


async def test_logging_in_and_out(plaza: Stage, signed_up: None) -> None:
    kept: list[Tokens | None] = []
    async with Plaza(plaza.base_url, on_tokens=kept.append) as ada:
        with pytest.raises(Unauthenticated) as refused:
            await ada.log_in(EMAIL, "wrong")
        assert refused.value.code == "INVALID_CREDENTIALS"
        user = await ada.log_in(EMAIL, PASSWORD)
        assert (await ada.me()).id == user.id
        async with Plaza(plaza.base_url, tokens=kept[0]) as again:
            assert (await again.me()).id == user.id
        await ada.log_out()
        with pytest.raises(SessionOver):
            await ada.me()
    assert [each is None for each in kept] == [False, True]


async def test_parallel_requests_with_an_expired_token_refresh_once(plaza: Stage, signed_up: None) -> None:
    requests = Requests()
    async with requests.http, Plaza(plaza.base_url, http=requests.http) as ada:
        await ada.log_in(EMAIL, PASSWORD)
        first = ada.tokens
        plaza.clock.advance(timedelta(minutes=20))
        users = await asyncio.gather(*(ada.me() for _ in range(20)))
        assert len({user.id for user in users}) == 1
        assert requests.paths.count(REFRESH) == 1
        assert ada.tokens != first


async def test_a_token_is_renewed_before_it_expires(plaza: Stage, signed_up: None) -> None:
    requests = Requests()
    async with requests.http, Plaza(plaza.base_url, http=requests.http) as ada:
        await ada.log_in(EMAIL, PASSWORD)
        assert ada.tokens is not None
        soon = Tokens(
            access_token=ada.tokens.access_token,
            refresh_token=ada.tokens.refresh_token,
            expires_at=time.time() + 5,
        )
        async with Plaza(plaza.base_url, http=requests.http, tokens=soon) as later:
            requests.paths.clear()
            await later.me()
            await later.me()
            assert requests.paths == [REFRESH, "/api/v1/auth/user", "/api/v1/auth/user"]


async def test_while_none_is_to_be_had_the_old_token_serves_as_long_as_it_is_good(
    plaza: Stage, signed_up: None
) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == REFRESH:
            return httpx2.Response(503, json=UNAVAILABLE, headers={"Retry-After": "1"})
        return httpx2.Response(200, content=user)

    async with Plaza(plaza.base_url) as ada:
        user = msgspec.json.encode(await ada.log_in(EMAIL, PASSWORD))
    soon = Tokens(access_token="good", refresh_token="any", expires_at=time.time() + 20)
    async with (
        httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http,
        Plaza("http://busy", http=http, tokens=soon) as busy,
    ):
        assert (await busy.me()).email == EMAIL
        assert busy.tokens == soon


async def test_a_refresh_whose_answer_was_lost_is_asked_for_again(plaza: Stage, signed_up: None, wire: Wire) -> None:
    async with Plaza(wire.base_url) as ada:
        await ada.log_in(EMAIL, PASSWORD)
        assert ada.tokens is not None
        stale = ada.tokens.access_token
        wire.answers_to_lose = 2
        await ada._transport.session.renew(stale)
        assert ada.tokens.access_token != stale
        assert (await ada.me()).email == EMAIL


async def test_an_ended_session_is_over_for_good_and_nobody_is_asked_again(plaza: Stage, signed_up: None) -> None:
    requests = Requests()
    kept: list[Tokens | None] = []
    async with requests.http, Plaza(plaza.base_url, http=requests.http, on_tokens=kept.append) as ada:
        await ada.log_in(EMAIL, PASSWORD)
        async with Plaza(plaza.base_url, tokens=ada.tokens) as elsewhere:
            await elsewhere.log_out()
        answers = await asyncio.gather(*(ada.me() for _ in range(5)), return_exceptions=True)
        assert [type(each) for each in answers] == [SessionOver] * 5
        assert (ada.tokens, kept[-1]) == (None, None)
        asked = len(requests.paths)
        with pytest.raises(SessionOver):
            await ada.me()
        assert len(requests.paths) == asked


async def test_what_was_done_although_its_answer_was_lost_is_done_once(
    ada: Somebody, grace: Somebody, wire: Wire
) -> None:
    wire.answers_to_lose = 1
    group = await grace.plaza.conversations.create_group("Engines", [ada.id])
    assert [each.id async for each in ada.plaza.conversations.all()] == [group.id]
    wire.answers_to_lose = 1
    message = await grace.plaza.messages.send(group.id, "Tea?")
    texts = [each async for each in ada.plaza.messages.after(group.id) if each.type == "text"]
    assert [each.id for each in texts] == [message.id]
    wire.answers_to_lose = 1
    assert (await grace.plaza.messages.toggle(group.id, message.id, "☕")).added
    assert (await ada.plaza.messages.get(group.id, message.id)).reactions == {"☕": 1}
    wire.answers_to_lose = 1
    await grace.plaza.messages.delete(group.id, message.id)
    with pytest.raises(NotFound):
        await grace.plaza.messages.delete(group.id, uuid4())


async def test_where_nobody_answers_patience_ends(meet: Meet, wire: Wire) -> None:
    somebody = await meet("somebody", wire.base_url, patience_s=0.3)
    wire.is_open = False
    with pytest.raises(Unreachable):
        await somebody.plaza.me()
    wire.is_open = True
    assert (await somebody.plaza.me()).id == somebody.id


@pytest.mark.parametrize(("limit", "waits"), [("2 per 2 second", True), ("2 per day", False)])
async def test_limits_are_waited_for_where_that_is_worth_it(plaza: Stage, meet: Meet, limit: str, waits: bool) -> None:
    configured = plaza.configuration.plaza
    api = Stage(
        configured.database_url,
        configured.redis_url,
        worker=False,
        clock=plaza.clock,
        PLAZA_RATE_LIMIT_ENABLED="true",
        PLAZA_RATE_LIMIT_SIGNED_IN=limit,
    )
    async with api:
        somebody = await meet("somebody", api.base_url, patience_s=20)
        asking = [somebody.plaza.me() for _ in range(4)]
        answers = await asyncio.gather(*asking, return_exceptions=True)
    refused = [each for each in answers if isinstance(each, Limited)]
    assert len(refused) == (0 if waits else 2)
    assert all(each.code == "RATE_LIMITED" and each.retry_after for each in refused)


async def test_a_problem_document_is_an_exception_of_its_kind(ada: Somebody) -> None:
    with pytest.raises(NotFound) as missing:
        await ada.plaza.conversations.get(uuid4())
    assert (missing.value.code, missing.value.status) == ("CONVERSATION_NOT_FOUND", 404)
    assert missing.value.detail
    assert missing.value.correlation_id
    with pytest.raises(BadRequest) as wrong:
        await ada.plaza.conversations.direct(ada.id)
    assert wrong.value.code == "SAME_USER"


async def test_slow_mode_is_told_and_not_waited_for(ada: Somebody, grace: Somebody) -> None:
    group = await ada.plaza.conversations.create_group("Slowly", [grace.id])
    await ada.plaza.conversations.change(group.id, slow_mode_s=3600)
    await grace.plaza.messages.send(group.id, "first")
    with pytest.raises(Limited) as too_soon:
        await grace.plaza.messages.send(group.id, "second")
    assert too_soon.value.code == "SLOW_MODE"
    async with grace.plaza.line() as line:
        with pytest.raises(Limited) as too_soon_here:
            await line.send(group.id, "second")
    assert too_soon_here.value.code == "SLOW_MODE"
    assert too_soon_here.value.retry_after is not None
    assert too_soon_here.value.retry_after > 3000


async def test_an_answer_of_somebody_else_is_no_answer() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200 if request.url.path.endswith("user") else 404, html="<h1>Welcome</h1>")

    async with (
        httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http,
        Plaza("http://elsewhere", http=http, access_token="any") as plaza,
    ):
        with pytest.raises(Misunderstood):
            await plaza.me()
        with pytest.raises(Misunderstood) as missing:
            await plaza.conversations.unread()
        assert missing.value.status == 404
