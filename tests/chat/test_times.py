"""Times over the wire: RFC 3339 in UTC with microseconds, whatever offset and however many digits they were given with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plaza.core.db import PageRequest
from tests.chat.builders import Chat
from tests.chat.lines import line
from tests.support.clock import ManualClock
from tests.support.stage import Stage

SPELLED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def moments(answer: Any, name: str = "") -> Iterator[str]:
    """Those of any depth, by the names of their fields."""
    match answer:
        case dict():
            for key, value in answer.items():
                yield from moments(value, key)
        case list():
            for each in answer:
                yield from moments(each, name)
        case str() if name.endswith(("_at", "_until")):
            yield answer


@pytest.fixture
def a_whole_second(clock: ManualClock) -> datetime:
    """An hour from now, which is one, too."""
    clock.advance(timedelta(microseconds=-clock.now().microsecond))
    return clock.now().replace(microsecond=0) + timedelta(hours=1)


@pytest.mark.parametrize("offset", ["+00:00", "Z", "+03:30", "-08:00"])
async def test_over_http(chat: Chat, a_whole_second: datetime, offset: str) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    team = await chat.group(ada, bob)
    zone = UTC if offset == "Z" else datetime.fromisoformat(f"2030-01-01T00:00:00{offset}").tzinfo
    given = a_whole_second.astimezone(zone).replace(tzinfo=None).isoformat() + offset
    base, http = "/api/v1/chat", await chat.http(ada)
    place = f"{base}/conversations/{team}"
    scheduled = {"conversation_id": str(team), "content": "later", "send_at": given}
    answers = [
        (await http.post(f"{base}/scheduled", json=scheduled)).json(),
        (await http.get(f"{base}/scheduled")).json()["items"][0],
        (await http.post(f"{place}/invite-links", json={"expires_at": given})).json(),
        (await http.get(f"{place}/invite-links")).json()["items"][0],
        (await http.post(f"{place}/mute", json={"until": given})).json(),
        (await http.get(place)).json(),
    ]
    asked = [answers[0]["send_at"], answers[1]["send_at"], answers[2]["expires_at"], answers[3]["expires_at"]]
    asked += [each["my"]["muted_until"] for each in answers[4:]]
    assert {datetime.fromisoformat(each).replace(microsecond=0) for each in asked} == {a_whole_second}
    answers.append((await http.post(f"{place}/mute")).json())
    told = list(moments(answers))
    assert len(told) >= 16
    assert [each for each in told if SPELLED.fullmatch(each) is None] == []


@pytest.mark.parametrize("given", ["0001-01-01T00:00:00+03:30", "9999-12-31T23:59:59-03:30", "2030-01-01T00:00:00"])
async def test_a_time_that_is_none_in_utc_is_refused(chat: Chat, given: str) -> None:
    (ada,) = await chat.people("Ada")
    http, team = await chat.http(ada), await chat.group(ada)
    refused = await http.post(f"/api/v1/chat/conversations/{team}/mute", json={"until": given})
    assert (refused.status_code, refused.json()["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.usefixtures("a_whole_second")
async def test_in_frames_and_in_the_feed(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    team = await chat.group(ada, bob)
    async with line(plaza, bob) as socket:
        message = await chat.say(ada, team)
        frames = [await socket.next("message.new")]
        (await chat.edit(ada, message, "better")).unwrap()
        frames.append(await socket.next("message.updated"))
    feed = await chat.events(ada, team)
    page = (await chat.messages.events(ada, team, 0, PageRequest(limit=100))).unwrap()
    assert bytes(page).count(b".000001Z") > 0, "the clock stood at a whole second"
    told = list(moments([*frames, *feed]))
    assert len(told) >= 4
    assert [each for each in told if SPELLED.fullmatch(each) is None] == []
