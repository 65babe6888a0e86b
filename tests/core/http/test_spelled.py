"""Hot routes spell their JSON themselves; a client cannot tell."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar, Response, get
from litestar.testing import TestClient

from plaza.core.http import Spelled
from plaza.core.ids import uuid7


class Lantern(msgspec.Struct):
    id: Any
    name: str


LANTERN = Lantern(uuid7(), 'a "☂"\n')


@get("/plain", status_code=201)
async def plain() -> Response[Lantern]:
    return Response(LANTERN, status_code=201)


@get("/spelled")
async def spelled() -> Spelled[Lantern]:
    return Spelled.of(LANTERN, 201)


def test_it_is_the_answer_that_litestar_gives() -> None:
    with TestClient(Litestar([plain, spelled])) as client:
        expected, answer = client.get("/plain"), client.get("/spelled")
    assert answer.status_code == expected.status_code == 201
    assert answer.content == expected.content
    assert sorted(answer.headers.multi_items()) == sorted(expected.headers.multi_items())
