"""docs/asvs.md: which test holds each item of OWASP ASVS. An item without an existing test or a written reason is an error."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec

SOURCE = Path("tests") / "asvs.toml"
TARGET = Path("docs") / "asvs.md"

_HEAD = """<!-- Written by `plaza dev asvs` from tests/asvs.toml. -->

# OWASP ASVS 5.0, level 2: authentication, sessions, self-contained tokens

Items marked L3 are of level 3. Tests are files below `tests/`, or single tests of them.

"""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    asks: str
    tests: list[str] = []
    reason: str = ""
    document: str = ""


class Chapter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    items: dict[str, Item]


class UncoveredItems(Exception):
    """The text names each item and what is missing."""


def matrix(root: Path) -> str:
    """The document. Raises UncoveredItems."""
    chapters = msgspec.convert(tomllib.loads((root / SOURCE).read_text()), dict[str, Chapter])
    wrong = [problem for chapter in chapters.values() for problem in _problems(root, chapter)]
    if wrong:
        raise UncoveredItems("\n".join(wrong))
    return _HEAD + "\n".join(_section(name, chapter) for name, chapter in chapters.items())


def _problems(root: Path, chapter: Chapter) -> Iterator[str]:
    for number, item in chapter.items.items():
        if not item.tests and not item.reason:
            yield f"{number}: neither a test nor a reason"
        for test in item.tests:
            if not _exists(root / "tests", test):
                yield f"{number}: there is no tests/{test}"
        if item.document and not (root / "docs" / item.document).exists():
            yield f"{number}: there is no docs/{item.document}"


def _exists(tests: Path, test: str) -> bool:
    path, _, name = test.partition("::")
    file = tests / path
    if not file.exists():
        return False
    tree = ast.parse(file.read_text())
    found = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return name in found if name else any(each.startswith("test_") for each in found)


def _section(name: str, chapter: Chapter) -> str:
    rows = []
    for number, item in chapter.items.items():
        held = [f"`{test}`" for test in item.tests]
        held += [f"[{item.document}]({item.document})"] if item.document else []
        held += [item.reason] if item.reason else []
        rows.append(f"| {number} | {item.asks} | {'<br>'.join(held)} |")
    return f"## {name} {chapter.title}\n\n| item | asks for | held by |\n|---|---|---|\n" + "\n".join(rows) + "\n"
