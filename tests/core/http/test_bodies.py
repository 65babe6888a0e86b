"""A POST that takes no body accepts an empty object, and refuses what nobody would look at."""

from __future__ import annotations

import re
from uuid import uuid4

from tests.support.people import member
from tests.support.stage import Stage


async def test_no_route_overlooks_a_field(plaza: Stage) -> None:
    ada = await member(plaza, "ada")
    document = (await ada.http.get("/schema/openapi.json")).json()
    routes = [
        path
        for path, operations in document["paths"].items()
        if "requestBody" not in operations.get("post", {"requestBody": 1})
    ]
    assert "/api/v1/auth/ws-ticket" in routes
    for route in routes:
        path = re.sub(r"\{\w+\}", str(uuid4()), route)
        answer = await ada.http.post(path, json={"no_such_field": 1})
        if "/admin/" in route:
            assert answer.json()["code"] == "PERMISSION_DENIED", route
        else:
            assert (answer.status_code, answer.json()["errors"]) == (
                400,
                {"no_such_field": ["This field is not known."]},
            ), route


async def test_nothing_and_an_empty_object_are_the_same(plaza: Stage) -> None:
    ada = await member(plaza, "ada")
    for body in (b"", b"{}", b" { } "):
        answer = await ada.http.post("/api/v1/auth/ws-ticket", content=body)
        assert answer.status_code == 200, answer.text
    for body in (b"[]", b"{", b"null", b'"{}"', b"\xff"):
        answer = await ada.http.post("/api/v1/auth/ws-ticket", content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), body
