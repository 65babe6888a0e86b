"""Statuses, shapes and parameters over HTTP; the rules have their tests beside the services."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.chat.builders import Chat

BASE = "/api/v1/chat"


async def test_a_group_from_its_making_to_its_end(chat: Chat) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    adas, joans = await chat.http(ada), await chat.http(joan)
    async with adas, joans:
        body = {"kind": "group", "member_ids": [str(grace.user_id)], "title": "Team"}
        made = await adas.post(f"{BASE}/conversations", json=body)
        assert made.status_code == 201
        c = f"{BASE}/conversations/{made.json()['id']}"
        assert made.json() == (await adas.get(c)).json()
        assert (await adas.get(f"{BASE}/conversations")).json() == {"items": [made.json()], "next_cursor": None}
        renamed = await adas.patch(c, json={"title": "Looms"})
        assert (renamed.status_code, renamed.json()["title"]) == (200, "Looms")

        added = await adas.post(f"{c}/participants", json={"user_id": str(joan.user_id)})
        assert (added.status_code, added.json()["role"]) == (201, "member")
        assert set(added.json()) == {"user_id", "display_name", "avatar_url", "role", "joined_at", "last_read_seq"}
        raised = await adas.patch(f"{c}/participants/{joan.user_id}", json={"role": "admin"})
        assert (raised.status_code, raised.json()["role"]) == (200, "admin")
        listed = (await joans.get(f"{c}/participants?limit=2")).json()
        assert [each["role"] for each in listed["items"]] == ["owner", "member"]
        assert listed["next_cursor"]
        removed = await joans.delete(f"{c}/participants/{grace.user_id}")
        assert (removed.status_code, removed.content) == (204, b"")

        owned = await adas.post(f"{c}/transfer-ownership", json={"user_id": str(joan.user_id)})
        assert (owned.status_code, owned.json()["my"]["role"]) == (200, "admin")
        left = await adas.post(f"{c}/leave")
        assert (left.status_code, left.content) == (204, b"")
        assert (await adas.get(c)).status_code == 403
        deleted = await joans.delete(c)
        assert (deleted.status_code, deleted.content) == (204, b"")
        assert (await joans.get(c)).json()["code"] == "CONVERSATION_DELETED"


async def test_a_direct_conversation_is_201_then_200(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    async with await chat.http(ada) as adas, await chat.http(grace) as graces:
        first = await adas.post(f"{BASE}/conversations", json={"kind": "direct", "member_ids": [str(grace.user_id)]})
        second = await graces.post(f"{BASE}/conversations", json={"kind": "direct", "member_ids": [str(ada.user_id)]})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert first.json() == {
        **first.json(),
        "kind": "direct",
        "title": None,
        "created_by": str(ada.user_id),
        "participant_count": 2,
        "last_seq": 0,
        "last_message_at": None,
        "last_message": None,
        "peer": {"user_id": str(grace.user_id), "display_name": "Grace", "avatar_url": None},
        "my": {
            "role": "member",
            "last_read_seq": 0,
            "muted_until": None,
            "notifications": "all",
            "archived_at": None,
            "unread": 0,
            "mentions": 0,
        },
    }


async def test_a_message_is_201_then_200_and_has_the_documented_shape(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    client_id = str(uuid4())
    messages = f"{BASE}/conversations/{id}/messages"
    async with await chat.http(ada) as adas:
        body = {"content": "hello", "client_id": client_id.upper()}
        first, again = [await adas.post(messages, json=body) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert first.json() == {
            "id": first.json()["id"],
            "conversation_id": str(id),
            "seq": 1,
            "sender_id": str(ada.user_id),
            "type": "text",
            "content": "hello",
            "client_id": client_id,
            "parent_id": None,
            "reply_count": 0,
            "reactions": {},
            "my_reactions": [],
            "attachments": [],
            "mentions": [],
            "pinned": False,
            "saved": False,
            "edit_count": 0,
            "edited_at": None,
            "deleted_at": None,
            "created_at": first.json()["created_at"],
            "system": None,
        }
        assert (await adas.get(f"{messages}/{first.json()['id']}")).json() == first.json()
        page = await adas.get(messages)
        assert page.headers["content-type"] == "application/json"
        assert page.json() == {"items": [first.json()], "next_cursor": None}


async def test_an_idempotency_key_replays_the_send_and_the_making(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    async with await chat.http(ada) as adas:
        for path, body in (
            (f"{BASE}/conversations/{id}/messages", {"content": "hello", "client_id": str(uuid4())}),
            (f"{BASE}/conversations", {"kind": "group", "title": "Team"}),
        ):
            key = {"Idempotency-Key": str(uuid4())}
            first, again = [await adas.post(path, json=body, headers=key) for _ in range(2)]
            assert (first.status_code, again.status_code) == (201, 201)
            assert first.json() == again.json()
            assert again.headers["idempotency-replayed"] == "true"
    assert len(await chat.history(grace, id)) == 1


async def test_read_state_over_http(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    for n in range(3):
        await chat.say(ada, id, f"{n}")
    async with await chat.http(grace) as graces:
        state = await graces.post(f"{BASE}/conversations/{id}/read", json={"seq": 99})
        assert (state.status_code, state.json()) == (
            200,
            {"conversation_id": str(id), "last_read_seq": 3, "unread": 0, "mentions": 0},
        )
        assert (await graces.get(f"{BASE}/unread")).json() == {"unread": 0, "mentions": 0, "conversations": []}
        state = await graces.post(f"{BASE}/conversations/{id}/unread", json={"seq": 1})
        assert (state.status_code, state.json()["last_read_seq"], state.json()["unread"]) == (200, 1, 2)
        assert (await graces.get(f"{BASE}/unread")).json() == {
            "unread": 2,
            "mentions": 0,
            "conversations": [{"conversation_id": str(id), "unread": 2, "mentions": 0}],
        }


async def test_spans_and_the_resume_feed_by_their_parameters(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    for n in range(1, 6):
        await chat.say(ada, id, f"{n}")
    async with await chat.http(grace) as graces:
        for query, seqs in (
            ("", [5, 4, 3, 2, 1]),
            ("?limit=2", [5, 4]),
            ("?before_seq=3", [2, 1]),
            ("?after_seq=3", [4, 5]),
            ("?around_seq=3&limit=3", [4, 3, 2]),
            ("?after_seq=9223372036854775807", []),
        ):
            page = (await graces.get(f"{BASE}/conversations/{id}/messages{query}")).json()
            assert [each["seq"] for each in page["items"]] == seqs, query
        events = (await graces.get(f"{BASE}/conversations/{id}/events?after_seq=2&limit=2")).json()
        assert [(each["type"], each["seq"]) for each in events["items"]] == [("message.new", 3), ("message.new", 4)]
        more = (await graces.get(f"{BASE}/conversations/{id}/events", params={"cursor": events["next_cursor"]})).json()
        assert ([each["seq"] for each in more["items"]], more["next_cursor"]) == ([5], None)


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        ("messages?limit=0", "VALIDATION_ERROR", 400),
        ("messages?limit=101", "VALIDATION_ERROR", 400),
        ("messages?after_seq=-1", "VALIDATION_ERROR", 400),
        ("messages?after_seq=9223372036854775808", "VALIDATION_ERROR", 400),
        ("messages?after_seq=1&before_seq=3", "VALIDATION_ERROR", 400),
        ("messages?cursor=made-up", "INVALID_CURSOR", 400),
        ("events?cursor=made-up", "INVALID_CURSOR", 400),
        ("participants?cursor=made-up", "INVALID_CURSOR", 400),
        ("messages/00000000-0000-4000-8000-000000000000", "MESSAGE_NOT_FOUND", 404),
    ],
)
async def test_what_is_refused_of_a_reader(chat: Chat, path: str, code: str, status: int) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    async with await chat.http(ada) as adas:
        answer = await adas.get(f"{BASE}/conversations/{id}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({}, "VALIDATION_ERROR", 400),
        ({"kind": "support"}, "VALIDATION_ERROR", 400),
        ({"kind": "group", "member_ids": ["somebody"]}, "VALIDATION_ERROR", 400),
        ({"kind": "group"}, "TITLE_REQUIRED", 422),
        ({"kind": "group", "title": None}, "TITLE_REQUIRED", 422),
        ({"kind": "group", "title": "Team", "colour": "red"}, "VALIDATION_ERROR", 400),
    ],
)
async def test_what_is_refused_of_a_founder(chat: Chat, body: dict[str, object], code: str, status: int) -> None:
    (ada,) = await chat.people("Ada")
    async with await chat.http(ada) as adas:
        answer = await adas.post(f"{BASE}/conversations", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await adas.get(f"{BASE}/conversations")).json()["items"] == []


async def test_nobody_reads_without_signing_in(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    async with chat.stage.client() as nobody:
        for path in ("conversations", "unread", f"conversations/{id}", f"conversations/{id}/messages"):
            assert (await nobody.get(f"{BASE}/{path}")).status_code == 401
