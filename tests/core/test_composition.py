from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import pytest

from plaza.core.composition import Context, MissingPart, Parts
from plaza.core.db import Database
from plaza.core.service import Service


class Post(Protocol):
    def send(self) -> str: ...


class Pigeon:
    def send(self) -> str:
        return "coo"


@dataclass(frozen=True)
class Kind:
    name: str


class Lower(Service):
    def __init__(self, db: Database, post: Post, kinds: Sequence[Kind]) -> None:
        super().__init__(db)
        self.post, self.kinds = post, kinds


class Upper(Service):
    def __init__(self, db: Database, lower: Lower) -> None:
        super().__init__(db)
        self.lower = lower


DB = cast("Any", object())
LOWER = Context(name="lower", gateways={Post: Pigeon}, services=(Lower,))
UPPER = Context(name="upper", services=(Upper,), declares=(Kind("a"), Kind("b"), "something else"))


def test_parts_are_made_once_and_handed_on_by_type() -> None:
    parts = Parts.compose({Database: DB}, [LOWER, UPPER])
    assert parts[Upper].lower is parts[Lower]
    assert parts[Lower].post.send() == "coo"


def test_an_engine_collects_what_all_contexts_declare() -> None:
    parts = Parts.compose({Database: DB}, [LOWER, UPPER])
    assert [kind.name for kind in parts[Lower].kinds] == ["a", "b"]


def test_a_lower_context_cannot_ask_for_a_higher_one() -> None:
    with pytest.raises(MissingPart, match="lower"):
        Parts.compose({Database: DB}, [UPPER, LOWER])


def test_a_port_is_filled_by_a_service() -> None:
    with_port = Context(name="upper", services=(Upper,), ports={Protocol: Upper})
    parts = Parts.compose({Database: DB}, [LOWER, with_port])
    assert parts[cast("Any", Protocol)] is parts[Upper]
