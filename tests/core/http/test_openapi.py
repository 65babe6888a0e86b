"""The document says what can go wrong without being told: a toy controller over a toy service."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from litestar import Controller, Litestar, delete, get, post
from litestar.openapi import OpenAPIConfig
from litestar.params import FromPath, JSONBody

from plaza.core.composition import Parts
from plaza.core.db import Page
from plaza.core.http import ANONYMOUS, NOT_IDEMPOTENT, bind, by_cookie, documented
from plaza.core.http.limits import UNLIMITED
from plaza.core.http.openapi import DeclaredErrors, document
from plaza.core.result import DomainError, ServiceResult, success
from plaza.core.schemas import Input, Patch, View
from plaza.core.service import Service, command, query


class ToyBroken(DomainError):
    """It fell."""

    code, status = "TEST_TOY_BROKEN", 409


class ToyBusy(DomainError):
    """Somebody else plays with it."""

    code, status = "TEST_TOY_BUSY", 409


class TooYoung(DomainError):
    """Small parts."""

    code, status = "TEST_TOO_YOUNG", 403


class Move(Input, frozen=True):
    steps: int


class Play(Input, frozen=True):
    moves: list[Move] = []


class ToyPatch(Patch, frozen=True):
    name: str = ""


class Toy(View, frozen=True):
    id: UUID


class Shelf(Service):
    def __init__(self) -> None:
        """No database: nothing here is called."""

    @command(ToyBusy)
    async def take(self) -> ServiceResult[Toy]:
        return success(Toy(id=UUID(int=1)))

    @command(take, ToyBroken)
    async def play(self, play: Play) -> ServiceResult[Toy]:
        return await self.take()

    @query(TooYoung)
    async def look(self) -> ServiceResult[list[Toy]]:
        return success([])


class ToyController(Controller):
    """Toys."""

    path = "/toys"
    shelf: Shelf
    label: str = "not a part"

    @post("/{toy_id:uuid}/plays", responses={202: documented(Toy, "Played later.")})
    async def play(self, toy_id: FromPath[UUID], data: JSONBody[Play]) -> Toy:
        return (await self.shelf.play(data)).unwrap()

    @get("/", opt=ANONYMOUS)
    async def look(self) -> Page[Toy]:
        return Page((await self.shelf.look()).unwrap())

    @delete("/{toy_id:uuid}", opt=UNLIMITED)
    async def lose(self, toy_id: FromPath[UUID]) -> None:
        return None

    @post("/names", opt=NOT_IDEMPOTENT)
    async def name(self, data: JSONBody[ToyPatch]) -> Toy:
        return (await self.shelf.take()).unwrap()

    @post("/moves", opt={**NOT_IDEMPOTENT, **by_cookie("toy")})
    async def move(self, data: JSONBody[Move]) -> Toy:
        return (await self.shelf.take()).unwrap()

    @get("/cellar", include_in_schema=False)
    async def cellar(self) -> Toy:
        return (await self.shelf.take()).unwrap()


@pytest.fixture(scope="module")
def toys() -> dict[str, Any]:
    parts = Parts({Shelf: Shelf()}, [])
    app = Litestar(
        route_handlers=[bind(ToyController, parts, "toys")],
        plugins=[DeclaredErrors(parts)],
        openapi_config=OpenAPIConfig(title="Toys", version="1", render_plugins=[]),
        logging_config=None,
    )
    return document(app)


def refusals(toys: dict[str, Any], method: str, path: str) -> dict[str, str]:
    responses = toys["paths"][path][method]["responses"]
    return {status: each["description"] for status, each in responses.items() if status >= "400"}


def test_a_handlers_errors_are_those_of_the_methods_that_it_calls(toys: dict[str, Any]) -> None:
    assert refusals(toys, "post", "/toys/{toy_id}/plays") == {
        "400": "VALIDATION_ERROR",
        "401": "UNAUTHENTICATED",
        "403": "INSUFFICIENT_SCOPE, WAITLISTED",
        "404": "NOT_FOUND",
        "409": "IDEMPOTENCY_IN_PROGRESS, TEST_TOY_BROKEN, TEST_TOY_BUSY",
        "413": "PAYLOAD_TOO_LARGE",
        "422": "IDEMPOTENCY_KEY_REUSED",
        "429": "RATE_LIMITED",
        "503": "UNAVAILABLE",
    }


def test_the_edge_adds_what_it_may_answer_on_such_a_route_and_no_more(toys: dict[str, Any]) -> None:
    everywhere = {"503": "UNAVAILABLE"}
    limited = {"429": "RATE_LIMITED"}
    closed = {"401": "UNAUTHENTICATED", "403": "INSUFFICIENT_SCOPE, WAITLISTED"}
    shape = {"400": "VALIDATION_ERROR"}
    assert refusals(toys, "get", "/toys") == {"403": "TEST_TOO_YOUNG", **limited, **everywhere}
    assert refusals(toys, "delete", "/toys/{toy_id}") == {**shape, **closed, "404": "NOT_FOUND", **everywhere}
    assert refusals(toys, "post", "/toys/names") == {
        **shape,
        **closed,
        "409": "TEST_TOY_BUSY",
        "413": "PAYLOAD_TOO_LARGE",
        **limited,
        **everywhere,
    }


def test_a_route_that_takes_a_cookie_refuses_foreign_pages(toys: dict[str, Any]) -> None:
    assert "PERMISSION_DENIED" in refusals(toys, "post", "/toys/moves")["403"]
    assert "PERMISSION_DENIED" not in refusals(toys, "post", "/toys/names")["403"]


def test_every_error_is_a_problem(toys: dict[str, Any]) -> None:
    responses = toys["paths"]["/toys/{toy_id}/plays"]["post"]["responses"]
    for status in refusals(toys, "post", "/toys/{toy_id}/plays"):
        (content,) = responses[status]["content"].items()
        assert content == ("application/problem+json", {"schema": {"$ref": "#/components/schemas/Problem"}})
    problem = toys["components"]["schemas"]["Problem"]
    assert set(problem["required"]) >= {"type", "title", "status", "detail", "code", "correlation_id"}


def test_a_handlers_own_further_answers_stay(toys: dict[str, Any]) -> None:
    responses = toys["paths"]["/toys/{toy_id}/plays"]["post"]["responses"]
    assert {"201", "202"} <= responses.keys()
    assert responses["202"]["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Toy"}}}


def test_inputs_are_strict_and_views_are_open(toys: dict[str, Any]) -> None:
    schemas = toys["components"]["schemas"]
    assert [schemas[name].get("additionalProperties") for name in ("Play", "Move", "ToyPatch")] == [False] * 3
    assert [schemas[name].get("additionalProperties") for name in ("Toy", "Problem")] == [None] * 2


def test_a_route_wants_a_bearer_unless_it_is_anonymous(toys: dict[str, Any]) -> None:
    assert toys["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    assert toys["paths"]["/toys"]["get"]["security"] == [{}]
    assert toys["paths"]["/toys/{toy_id}/plays"]["post"]["security"] == [{"bearer": []}]


def test_a_body_is_needed_where_one_of_its_fields_is(toys: dict[str, Any]) -> None:
    assert toys["paths"]["/toys/{toy_id}/plays"]["post"]["requestBody"]["required"] is False
    assert toys["paths"]["/toys/moves"]["post"]["requestBody"]["required"] is True


def test_204_has_no_content(toys: dict[str, Any]) -> None:
    assert "content" not in toys["paths"]["/toys/{toy_id}"]["delete"]["responses"]["204"]


def test_what_is_not_in_the_schema_stays_out(toys: dict[str, Any]) -> None:
    assert "/toys/cellar" not in toys["paths"]


def test_two_applications_bind_parts_of_their_own() -> None:
    one, other = Shelf(), Shelf()
    first, second = (bind(ToyController, Parts({Shelf: shelf}, []), "toys") for shelf in (one, other))
    assert (first.shelf, second.shelf) == (one, other)
    assert not hasattr(ToyController, "shelf")
    assert first.label == "not a part"
    assert (first.__name__, first.__doc__, first.__module__) == ("ToyController", "Toys.", __name__)
