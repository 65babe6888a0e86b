"""What a context may declare, and how the form of an action comes from its struct."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta
from sqlalchemy import LargeBinary, column, literal, select
from sqlalchemy.types import String, Uuid

from plaza.admin import forms
from plaza.admin.service import BadView, BrowsingService
from plaza.core.actor import Actor
from plaza.core.admin import Action, AdminView, Column
from plaza.core.composition import MissingPart, Parts
from plaza.core.db import Database
from plaza.core.errors import ValidationFailed
from plaza.core.http import Permission
from plaza.core.result import ServiceResult, success
from tests.support.stage import Stage

READ = Permission("things.read", "See things")


def things(*, name: str = "things", extra: Sequence[Any] = (), **given: Any) -> AdminView:
    rows = select(literal(UUID(int=1), Uuid()).label("id"), literal("a").label("kind"), *extra)
    standard: dict[str, Any] = {
        "title": "Things",
        "noun": "thing",
        "group": "Things",
        "icon": "cube",
        "permission": READ.name,
        "rows": rows,
        "columns": (Column("kind"),),
    }
    return AdminView(name=name, **{**standard, **given})


def built(stage: Stage, *views: AdminView) -> BrowsingService:
    return BrowsingService(stage[Database], views, [READ], stage.runtime.parts)


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (things(columns=(Column("colour"),)), "colour is not selected"),
        (things(key="number"), "number is not selected"),
        (things(order=("age",)), "age is not selected"),
        (things(search=("age",)), "age is not selected"),
        (things(extra=[column("password_hash", String())]), "password_hash looks like a secret"),
        (things(extra=[column("sealed_secret", String())]), "sealed_secret looks like a secret"),
        (things(extra=[column("refresh_token", String())]), "refresh_token looks like a secret"),
        (things(extra=[column("picture", LargeBinary())]), "picture looks like a secret"),
        (things(columns=(Column("kind", links_to="elsewhere"),)), "which is no view"),
        (things(permission="things.see"), "no context declares the permission things.see"),
    ],
)
def test_a_view_that_cannot_work_or_shows_too_much(stage: Stage, view: AdminView, reason: str) -> None:
    with pytest.raises(BadView, match=reason):
        built(stage, view)


def test_two_views_of_one_name(stage: Stage) -> None:
    with pytest.raises(BadView):
        built(stage, things(), things())


async def paint(actor: Actor, row: Any, missing: Stage) -> ServiceResult[None]:
    return success(None)


async def weigh(actor: Actor, row: Any) -> ServiceResult[None]:
    return success(None)


def test_an_action_that_asks_for_what_nobody_brings(stage: Stage) -> None:
    action = Action("paint", "Paint", paint, permission=READ.name, asks="Paint it?", done="Painted.")
    with pytest.raises(MissingPart):
        built(stage, things(actions=(action,)))


def test_an_action_without_a_declared_permission(stage: Stage) -> None:
    action = Action("weigh", "Weigh", weigh, permission="things.weigh", asks="Weigh it?", done="Weighed.")
    with pytest.raises(BadView):
        built(stage, things(actions=(action,)))


def test_whoever_is_made_last_may_ask_for_all_parts(stage: Stage) -> None:
    assert stage[Parts] is stage.runtime.parts


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    reason: Annotated[str, Meta(min_length=3, max_length=20, title="Why", description="Others read it.")]
    colour: Colour
    size: Literal["small", "large"] = "small"
    until: datetime | None = None
    loud: bool = False
    note: Annotated[str, Meta(max_length=5)] | None = None


def test_a_struct_becomes_a_form() -> None:
    told = [(each.name, each.label, each.kind, each.required) for each in forms.fields_of(Given)]
    assert told == [
        ("reason", "Why", "text", True),
        ("colour", "Colour", "choice", True),
        ("size", "Size", "choice", False),
        ("until", "Until", "time", False),
        ("loud", "Loud", "flag", False),
        ("note", "Note", "text", False),
    ]
    reason, colour, size, *_, note = forms.fields_of(Given)
    assert (reason.hint, reason.max_length, note.max_length) == ("Others read it.", 20, 5)
    assert (list(colour.choices), list(size.choices)) == (["red", "blue"], ["large", "small"])


def test_a_form_becomes_a_struct() -> None:
    form = {"reason": "  because ", "colour": "blue", "until": "2026-11-21T13:00", "loud": "true", "more": "x"}
    assert forms.read(Given, form) == Given(
        reason="because", colour=Colour.BLUE, until=datetime(2026, 11, 21, 13, tzinfo=UTC), loud=True
    )
    assert forms.read(Given, {"reason": "because", "colour": "red", "size": "", "until": "", "note": ""}) == Given(
        reason="because", colour=Colour.RED
    )


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({}, "Why is missing."),
        ({"reason": "   "}, "Why is missing."),
        ({"reason": "because"}, "Colour is missing."),
        ({"reason": "because", "colour": "green"}, "Invalid enum value 'green': Colour"),
        ({"reason": "ab", "colour": "red"}, "Expected `str` of length >= 3: Why"),
        ({"reason": "because", "colour": "red", "until": "soon"}, "Invalid RFC3339 encoded datetime: Until"),
    ],
)
def test_what_is_wrong_with_a_form_is_told_by_its_labels(form: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationFailed, match=told):
        forms.read(Given, form)
