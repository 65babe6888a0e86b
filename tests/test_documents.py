from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from plaza.app.documents import WRITERS, write
from plaza.core.realtime import Close

DOCS = Path(__file__).parents[1] / "docs"
FRAMES = {
    *("auth", "subscribe", "message.send", "message.edit", "message.delete", "reaction.toggle", "read", "typing"),
    *("presence.set", "presence.watch", "ping", "ready", "ack", "error", "pong", "subscribed", "message.new"),
    *("message.updated", "message.deleted", "reaction.changed", "pin.changed", "conversation.updated"),
    *("participant.changed", "read.updated", "delivered.updated", "unread", "presence.changed", "sync"),
    *("session.revoked", "notification.new"),
}


def test_the_generated_documents_are_as_the_code_says() -> None:
    assert write(DOCS, check=True) == [], "run `make docs`"


def test_a_stale_document_is_found(tmp_path: Path) -> None:
    written = write(tmp_path)
    assert {path.name for path in written} == set(WRITERS)
    assert write(tmp_path, check=True) == []
    (tmp_path / "errors.md").write_text("# Nothing can go wrong\n")
    assert write(tmp_path, check=True) == [tmp_path / "errors.md"]


async def test_the_documents_of_routes_and_sockets_are_served(client: httpx.AsyncClient) -> None:
    for name in ("openapi.json", "asyncapi.json"):
        answer = await client.get(f"/schema/{name}")
        assert answer.json() == json.loads((DOCS / name).read_text())


@pytest.fixture(scope="module")
def asyncapi() -> Any:
    loaded: Any = json.loads((DOCS / "asyncapi.json").read_text())
    return loaded


def test_the_sockets_document_names_every_address_frame_and_close_code(asyncapi: Any) -> None:
    assert {each["address"] for each in asyncapi["channels"].values()} == {"/ws", "/ws/chat/{conversation_id}"}
    frames = {each["name"] for each in asyncapi["components"]["messages"].values()}
    assert frames == FRAMES
    assert {int(code) for code in asyncapi["x-close-codes"]} == set(Close)


def test_every_frame_of_a_client_says_what_answers_it(asyncapi: Any) -> None:
    answers = {
        key.removeprefix("EveryConversation."): {
            asyncapi["components"]["messages"][each["$ref"].rpartition("/")[2]]["name"]
            for each in operation.get("reply", {}).get("messages", ())
        }
        for key, operation in asyncapi["operations"].items()
        if operation["action"] == "receive" and key.startswith("EveryConversation.")
    }
    usual = {"ack", "error"}
    assert answers == {
        **dict.fromkeys(("message.send", "message.edit", "message.delete", "reaction.toggle", "read"), usual),
        **dict.fromkeys(("presence.set", "presence.watch"), usual),
        "auth": {"ready"},
        "subscribe": {"subscribed", "error"},
        "ping": {"pong"},
        "typing": set(),
    }


def test_every_reference_of_the_sockets_document_leads_somewhere(asyncapi: Any) -> None:
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(asyncapi)))
    assert references
    for reference in references:
        found = asyncapi
        for part in reference.split("/"):
            found = found[part]
        assert found


@pytest.fixture(scope="module")
def openapi() -> Any:
    loaded: Any = json.loads((DOCS / "openapi.json").read_text())
    return loaded


def test_every_code_that_a_route_may_answer_is_documented(
    openapi: Any,
) -> None:
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)`", (DOCS / "errors.md").read_text(), re.MULTILINE))
    named = {
        code
        for operations in openapi["paths"].values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if status >= "400"
        for code in str(response["description"]).split(", ")
    }
    assert named, "no route declares an error: the derivation is broken"
    assert named <= documented


def test_no_route_answers_another_error_shape_than_the_problem(
    openapi: Any,
) -> None:
    shapes = {
        tuple(response["content"])
        for operations in openapi["paths"].values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if status >= "400" and status != "503"
    }
    assert shapes == {("application/problem+json",)}
