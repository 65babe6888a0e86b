from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from plaza.app.documents import WRITERS, write

DOCS = Path(__file__).parents[1] / "docs"


def test_the_generated_documents_are_as_the_code_says() -> None:
    assert write(DOCS, check=True) == [], "run `make docs`"


def test_a_stale_document_is_found(tmp_path: Path) -> None:
    written = write(tmp_path)
    assert {path.name for path in written} == set(WRITERS)
    assert write(tmp_path, check=True) == []
    (tmp_path / "errors.md").write_text("# Nothing can go wrong\n")
    assert write(tmp_path, check=True) == [tmp_path / "errors.md"]


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
