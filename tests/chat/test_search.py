"""Search: any script, parts of words from two characters on, only what the asker may read, as it is written now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from plaza.chat.repository import search
from plaza.chat.schemas.search import Has, SearchQuery
from plaza.chat.service.marks import SavedService
from plaza.chat.service.search import SearchService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database, PageRequest
from tests.chat.builders import Chat, code_of
from tests.support.stage import Stage
from tests.support.statements import statements


async def found(plaza: Stage, who: Actor, needle: str, **narrowed: Any) -> list[str]:
    page = await plaza[SearchService].search(who, SearchQuery(text=needle, **narrowed), PageRequest(limit=100))
    return [each.content for each in page.unwrap().items]


@pytest.fixture(params=["all", "index", "backwards"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the ways in which a needle is looked for."""
    ways = {"all": search.ALL, "index": search.BY_INDEX, "backwards": search.BACKWARDS}
    monkeypatch.setattr(search, "way", lambda *_: ways[request.param])
    way: str = request.param
    return way


SCRIPTS = (
    ("我们明天在北京开会", ("北京", "明天在", "开会")),
    ("今日は東京タワーに行きます", ("東京", "タワ", "行きます")),
    ("مرحبا بالعالم الجميل", ("عالم", "بال", "جم")),
    ("سلام دنیای زیبا", ("دنیا", "زی", "سلام د")),
    ("Привет, дорогие коллеги", ("РИВ", "коллег", "е к")),
    ("Déjà vu à l'Élysée, señor Łukasz", ("deja", "elysee", "SEÑOR", "lukasz", "jà vu")),
    ("한국어 메시지", ("국어", "메시")),
    ("สวัสดีครับ", ("สวัส", "ครับ")),
    ("party 🎉🎈 tonight", ("🎉🎈", "y 🎉")),
    ("100% of_it \\ done", ("100%", "% of", "of_it", "\\ d")),
)


@pytest.mark.usefixtures("way")
async def test_any_script_is_found_by_its_parts(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    for content, _ in SCRIPTS:
        await chat.say(ada, talk, content)
    for content, needles in SCRIPTS:
        for needle in needles:
            assert await found(plaza, bob, needle) == [content], needle


@pytest.mark.parametrize(
    ("content", "needle"),
    [
        ("ＦＵＬＬ ｗｉｄｔｈ", "full width"),
        ("full width", "ＦＵＬＬ"),
        ("مُحَمَّد", "محمد"),
        ("محمد", "مُحَمَّد"),
        ("كتابي", "کتابی"),
        ("می‌خواهم", "میخواهم"),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("Ёлка", "елка"),
        ("ﬁnal", "final"),
        ("cafe\u0301", "café"),
        ("two\nlines", "two lines"),
        ("ΟΔΟΣ", "οδος"),
    ],
)
async def test_what_reads_the_same_is_the_same(chat: Chat, plaza: Stage, content: str, needle: str) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    await chat.say(ada, talk, content)
    assert await found(plaza, bob, needle) == [content]


@pytest.mark.usefixtures("way")
async def test_wildcards_and_patterns_stand_for_themselves(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    await chat.say(ada, talk, "plain words")
    for needle in ("%%", "__", "p%n", "p_ain", ".*", "\\w", "pl%", "' or true --", "{}", "[]", ":needle", "%(x)s"):
        assert await found(plaza, bob, needle) == [], needle


@pytest.mark.usefixtures("way")
async def test_only_what_the_asker_may_read_is_found(chat: Chat, plaza: Stage) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    team, closed = await chat.group(ada, bob, eve), await chat.group(ada, bob)
    await chat.say(ada, team, "secret of the team")
    await chat.say(ada, closed, "secret of two")
    assert await found(plaza, eve, "secret") == ["secret of the team"]
    assert sorted(await found(plaza, bob, "secret")) == ["secret of the team", "secret of two"]
    await chat.remove(ada, team, eve)
    assert await found(plaza, eve, "secret") == []
    (await chat.conversations.delete(ada, closed)).unwrap()
    assert await found(plaza, bob, "secret") == ["secret of the team"]
    ask = plaza[SearchService].search
    for who, place, code in (
        (eve, team, "NOT_PARTICIPANT"),
        (eve, closed, "CONVERSATION_NOT_FOUND"),
        (bob, closed, "CONVERSATION_DELETED"),
    ):
        asked = SearchQuery(text="secret", conversation_id=place)
        assert code_of(await ask(who, asked, PageRequest())) == code


@pytest.mark.usefixtures("way")
async def test_edited_ones_are_found_by_their_present_text_and_deleted_ones_never(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.group(ada, bob, title="walrus")
    said = await chat.say(ada, talk, "the walrus")
    (await chat.edit(ada, said, "the carpenter")).unwrap()
    assert await found(plaza, bob, "walrus") == [], "neither its first wording nor what the system tells"
    assert await found(plaza, bob, "carpent") == ["the carpenter"]
    (await chat.delete(ada, said)).unwrap()
    assert await found(plaza, bob, "carpent") == []


@pytest.mark.usefixtures("way")
async def test_whole_words_come_before_beginnings_and_those_before_parts(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    for content in ("my cat", "old cat sleeps", "category", "a caterpillar", "concatenate", "bobcat"):
        await chat.say(ada, talk, content)
    assert await found(plaza, bob, "cat") == [
        "old cat sleeps",
        "my cat",
        "a caterpillar",
        "category",
        "bobcat",
        "concatenate",
    ]


@pytest.mark.usefixtures("way")
async def test_narrowed(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk, team = await chat.direct(ada, bob), await chat.group(ada, bob)
    early = await chat.say(ada, talk, "note one https://example.com")
    plaza.clock.advance(timedelta(hours=1))
    noon = plaza[Clock].now()
    await chat.say(bob, talk, f"note two <@{ada.user_id}>")
    late = await chat.say(bob, team, "note three")
    await chat.say(ada, team, "answer", parent=late.id)
    (await chat.react(ada, late, "👍")).unwrap()
    (await chat.pins.pin(ada, team, late.id)).unwrap()
    two = f"note two <@{ada.user_id}>"
    assert await found(plaza, ada, "note") == ["note three", two, early.content]
    assert await found(plaza, ada, "note", conversation_id=talk) == [two, early.content]
    assert await found(plaza, ada, "note", sender_id=ada.user_id) == [early.content]
    assert await found(plaza, ada, "note", before=noon) == [early.content]
    assert await found(plaza, ada, "note", after=noon) == ["note three", two]
    for has, expected in (
        (Has.LINK, [early.content]),
        (Has.MENTION, [two]),
        (Has.REACTION, ["note three"]),
        (Has.REPLY, ["note three"]),
        (Has.PIN, ["note three"]),
        (Has.ATTACHMENT, []),
    ):
        assert await found(plaza, ada, "note", has=has) == expected, has


@pytest.mark.usefixtures("way")
async def test_pages_follow_each_other_whatever_is_said_meanwhile(
    chat: Chat, plaza: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "NEWEST", 7)
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    for n in range(9):
        await chat.say(ada, talk, f"word {n}" if n % 2 else f"wordy {n}")
    asked, cursor, seen = SearchQuery(text="word"), None, []
    while True:
        page = await plaza[SearchService].search(bob, asked, PageRequest(limit=2, cursor=cursor))
        seen += [each.content for each in page.unwrap().items]
        cursor = page.unwrap().next_cursor
        if cursor is None:
            break
        await chat.say(ada, talk, "word of later")
        other = PageRequest(cursor=cursor)
        assert code_of(await plaza[SearchService].search(ada, asked, other)) == "INVALID_CURSOR"
        assert code_of(await plaza[SearchService].search(bob, SearchQuery(text="wo"), other)) == "INVALID_CURSOR"
    assert seen == ["word 7", "word 5", "word 3", "wordy 8", "wordy 6", "wordy 4", "wordy 2"]


async def test_results_are_messages_as_the_asker_sees_them(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    said = await chat.say(ada, talk, "find me")
    (await chat.react(bob, said, "👍")).unwrap()
    (await plaza[SavedService].save(bob, talk, said.id)).unwrap()
    http = await chat.http(bob)
    (item,) = (await http.get("/api/v1/chat/messages/search", params={"q": "find"})).json()["items"]
    assert item == (await http.get(f"/api/v1/chat/conversations/{talk}/messages/{said.id}")).json()
    assert (item["my_reactions"], item["saved"]) == (["👍"], True)
    with statements(plaza[Database]) as sent:
        await found(plaza, bob, "find")
    assert len(sent) == 5, sent


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"q": ""}, 422, "QUERY_TOO_SHORT"),
        ({}, 422, "QUERY_TOO_SHORT"),
        ({"q": "a"}, 422, "QUERY_TOO_SHORT"),
        ({"q": "北"}, 422, "QUERY_TOO_SHORT"),
        ({"q": " a "}, 422, "QUERY_TOO_SHORT"),
        ({"q": "e\u0301"}, 422, "QUERY_TOO_SHORT"),
        ({"q": "\u200d\u200d\u200d"}, 422, "QUERY_TOO_SHORT"),
        ({"q": "a\0b"}, 400, "VALIDATION_ERROR"),
        ({"q": "x" * 201}, 400, "VALIDATION_ERROR"),
        ({"q": "x" * 20_000}, 400, "VALIDATION_ERROR"),
        ({"q": "ab", "has": "everything"}, 400, "VALIDATION_ERROR"),
        ({"q": "ab", "from": "me"}, 400, "VALIDATION_ERROR"),
        ({"q": "ab", "before": "yesterday"}, 400, "VALIDATION_ERROR"),
        ({"q": "ab", "before": "2026-01-01T00:00:00"}, 400, "VALIDATION_ERROR"),
        ({"q": "ab", "cursor": "made up"}, 400, "INVALID_CURSOR"),
        ({"q": "ab", "conversation_id": str(uuid4())}, 404, "CONVERSATION_NOT_FOUND"),
        ({"q": "a", "conversation_id": str(uuid4())}, 404, "CONVERSATION_NOT_FOUND"),
    ],
)
async def test_hostile_and_misshapen_searches(chat: Chat, asked: dict[str, str], status: int, code: str) -> None:
    (ada,) = await chat.people("Ada")
    answer = await (await chat.http(ada)).get("/api/v1/chat/messages/search", params=asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def _parts(contents: Sequence[str], length: int) -> list[str]:
    return sorted({each[n : n + length] for each in contents for n in range(len(each) - length + 1)})


@pytest.mark.usefixtures("way")
async def test_every_part_of_every_text_finds_what_comparing_finds(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    contents = ["banana bandana", "北京北方", "Zażółć gęślą", "نان و نمک", "a\u00adb ab", "x"]
    for each in contents:
        await chat.say(ada, talk, each)
    async with plaza.runtime.db.engine.connect() as connection:
        for needle in _parts(contents, 2) + _parts(contents, 3):
            rows = await connection.scalars(
                text("select content from chat_message where strpos(chat_fold(content), chat_fold(:needle)) > 0"),
                {"needle": needle},
            )
            expected = sorted(rows.all())
            asked = await plaza[SearchService].search(bob, SearchQuery(text=needle), PageRequest(limit=100))
            if code_of(asked) != "QUERY_TOO_SHORT":
                assert sorted(each.content for each in asked.unwrap().items) == expected, needle


MILLION = 1_000_000


@pytest.mark.parametrize(
    ("reach", "share", "wanted", "narrowed", "expected"),
    [
        (500, 0.5, 0.5, {}, search.ALL),
        (750_000, 0.0, 0.0, {}, search.BY_INDEX),
        (750_000, 0.02, 0.02, {}, search.BACKWARDS),
        (750_000, 0.1, 0.1, {}, search.BACKWARDS),
        (30_000, 0.02, 0.02, {}, search.ALL),
        (30_000, 0.3, 0.3, {}, search.ALL),
        (300_000, 0.3, 0.3, {}, search.BACKWARDS),
        (MILLION, 0.02, 0.0, {"sender_id": uuid4()}, search.BY_INDEX),
        (MILLION, 0.3, 0.1, {"sender_id": uuid4()}, search.BACKWARDS),
        (100_000, 0.3, 0.0, {"has": Has.PIN}, search.ALL),
        (MILLION, 0.3, 0.3, {"after": datetime(2030, 1, 1, tzinfo=UTC)}, search.BY_INDEX),
        (100_000, 0.3, 0.3, {"after": datetime(2030, 1, 1, tzinfo=UTC)}, search.ALL),
        (100_000, 0.02, 0.02, {"conversation_id": uuid4()}, search.BY_INDEX),
        (100_000, 0.1, 0.1, {"conversation_id": uuid4()}, search.ALL),
    ],
)
def test_the_cheapest_way_is_taken(
    reach: int, share: float, wanted: float, narrowed: dict[str, Any], expected: str
) -> None:
    needle = search.Needle("needle", MILLION, reach, share, wanted)
    assert search.way(SearchQuery(text="needle", **narrowed), needle) == expected
