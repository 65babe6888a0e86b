"""What a newcomer does first, through the contract alone."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.support.listening import seqs, up_to
from tests.support.outside import PASSWORD, Person, sign_up
from tests.support.stage import Stage


@pytest.fixture
async def ada(plaza: Stage) -> Person:
    return await sign_up(plaza.client(), "ada@example.com", name="Ada")


@pytest.fixture
async def grace(plaza: Stage) -> Person:
    return await sign_up(plaza.client(), "grace@example.com", name="Grace")


@pytest.fixture
async def stranger(plaza: Stage) -> Person:
    return await sign_up(plaza.client(), "stranger@example.com", name="Stranger")


async def test_they_sign_up_and_talk_by_socket_and_rest(ada: Person, grace: Person) -> None:
    conversation = await ada.conversation_with(grace)
    async with ada.socket() as adas, grace.socket() as graces:
        client_id = str(uuid4())
        ref = await adas.send("message.send", conversation_id=conversation, client_id=client_id, content="Hello, Grace")
        ack = await adas.next("ack", ref=ref)
        assert ack["message"]["content"] == "Hello, Grace"
        heard = await graces.next("message.new")
        assert (heard["message"]["id"], heard["seq"]) == (ack["message"]["id"], ack["message"]["seq"])
        assert heard["message"]["sender_id"] == ada.id

        answered = await grace.say(conversation, "Hello, Ada")
        assert (await adas.next("message.new", seq=answered["seq"]))["message"]["content"] == "Hello, Ada"
    history = await ada.history(conversation)
    assert [message["content"] for message in history] == ["Hello, Grace", "Hello, Ada"]
    assert [message["seq"] for message in history] == [1, 2]


async def test_one_drops_off_and_resumes_without_gap_or_twin(ada: Person, grace: Person) -> None:
    conversation = await ada.conversation_with(grace)
    async with grace.plaza() as plaza:
        async with plaza.line() as line:
            before = [await ada.say(conversation, f"before {n}") for n in range(5)]
            await up_to(line, UUID(conversation), before[-1]["seq"])
        for n in range(250):
            await ada.say(conversation, f"away {n}")
        async with plaza.line(after=line.positions) as line:
            live = await ada.say(conversation, "live again")
            heard = await up_to(line, UUID(conversation), live["seq"])
    assert seqs(heard, UUID(conversation)) == list(range(before[-1]["seq"] + 1, live["seq"] + 1))


async def test_sending_again_with_the_same_client_id_gives_the_first_message_back(ada: Person, grace: Person) -> None:
    conversation = await ada.conversation_with(grace)
    client_id = str(uuid4())
    first, again = [await ada.say(conversation, "once", client_id) for _ in range(2)]
    assert first["id"] == again["id"]
    async with ada.socket() as socket:
        ref = await socket.send("message.send", conversation_id=conversation, client_id=client_id, content="once")
        assert (await socket.next("ack", ref=ref))["message"]["id"] == first["id"]
    assert len(await grace.history(conversation)) == 1


async def test_unread_counts_follow_what_is_read(ada: Person, grace: Person) -> None:
    conversation = await ada.conversation_with(grace)
    said = [await ada.say(conversation, f"line {n}") for n in range(3)]
    unread = (await grace.http.get("/api/v1/chat/unread")).json()
    assert (unread["unread"], unread["conversations"][0]["conversation_id"]) == (3, conversation)
    assert (await ada.http.get("/api/v1/chat/unread")).json()["unread"] == 0
    async with ada.socket() as adas:
        answer = await grace.http.post(f"/api/v1/chat/conversations/{conversation}/read", json={"seq": said[1]["seq"]})
        assert answer.is_success, answer.text
        assert (await adas.next("read.updated", user_id=grace.id))["up_to"] == said[1]["seq"]
    assert (await grace.http.get("/api/v1/chat/unread")).json()["unread"] == 1


async def test_a_stranger_reads_nothing_and_changes_nothing(ada: Person, grace: Person, stranger: Person) -> None:
    conversation = await ada.conversation_with(grace)
    said = await ada.say(conversation, "between us")
    base = f"/api/v1/chat/conversations/{conversation}"
    for method, path, body in (
        ("GET", base, None),
        ("GET", f"{base}/messages", None),
        ("GET", f"{base}/messages/{said['id']}", None),
        ("GET", f"{base}/participants", None),
        ("GET", f"{base}/events", None),
        ("POST", f"{base}/messages", {"content": "let me in", "client_id": str(uuid4())}),
        ("POST", f"{base}/read", {"seq": 1}),
        ("POST", f"{base}/participants", {"user_id": stranger.id}),
        ("PATCH", base, {"title": "mine"}),
        ("DELETE", base, None),
    ):
        answer = await stranger.http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "CONVERSATION_NOT_FOUND"), (
            method,
            path,
            answer.text,
        )
    async with stranger.socket() as socket:
        ref = await socket.send(
            "message.send", conversation_id=conversation, client_id=str(uuid4()), content="let me in"
        )
        assert (await socket.next("error", ref=ref))["code"] == "CONVERSATION_NOT_FOUND"
        await ada.say(conversation, "still between us")
        await socket.send("ping")
        await socket.next("pong")
        assert not [frame for frame in socket.seen if frame["type"] == "message.new"]
    assert (await stranger.http.get("/api/v1/chat/conversations")).json()["items"] == []
    assert len(await ada.history(conversation)) == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"client_id": "00000000-0000-4000-8000-000000000001"}, 400, "VALIDATION_ERROR"),
        ({"content": "hi", "client_id": "not an id"}, 400, "VALIDATION_ERROR"),
        (
            {"content": "hi", "client_id": "00000000-0000-4000-8000-000000000001", "colour": "red"},
            400,
            "VALIDATION_ERROR",
        ),
        ({"content": "a\0b", "client_id": "00000000-0000-4000-8000-000000000001"}, 400, "VALIDATION_ERROR"),
        ({"content": "  \n ", "client_id": "00000000-0000-4000-8000-000000000001"}, 422, "EMPTY_CONTENT"),
        ({"content": "x" * 10_001, "client_id": "00000000-0000-4000-8000-000000000001"}, 422, "CONTENT_TOO_LONG"),
    ],
)
async def test_bad_input_is_refused_with_a_problem_document_and_leaves_no_trace(
    ada: Person, grace: Person, body: dict[str, str], status: int, code: str
) -> None:
    conversation = await ada.conversation_with(grace)
    answer = await ada.http.post(f"/api/v1/chat/conversations/{conversation}/messages", json=body)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["correlation_id"] == answer.headers["x-request-id"]
    assert await ada.history(conversation) == []


async def test_logging_out_closes_the_sockets_and_the_tokens(ada: Person) -> None:
    async with ada.socket() as socket:
        answer = await ada.http.post("/api/v1/auth/logout", json={"refresh_token": ada.refresh_token})
        assert answer.status_code == 204
        assert (await socket.closed())[0] == 4401
    assert (await ada.http.get("/api/v1/auth/user")).status_code == 401
    answer = await ada.http.post("/api/v1/auth/token/refresh", json={"refresh_token": ada.refresh_token})
    assert answer.status_code == 401


async def test_logging_in_again_with_the_password(ada: Person) -> None:
    answer = await ada.http.post("/api/v1/auth/login", json={"identifier": ada.email, "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["user"]["id"] == ada.id
    wrong = await ada.http.post("/api/v1/auth/login", json={"identifier": ada.email, "password": "not the password"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "INVALID_CREDENTIALS")
