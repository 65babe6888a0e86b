"""docs/asvs.md: which test holds each item of OWASP ASVS. An item without an existing test or a written reason is an error,

and so is one that is left out.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

SOURCE = Path("tests") / "asvs.toml"
TARGET = Path("docs") / "asvs.md"

# The items of level 2, and those of level 3 that Plaza takes along: what there is to hold, whatever the source says.
ITEMS = {
    "V6": """
        6.1.1 6.1.2 6.1.3 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.6 6.2.7 6.2.8 6.2.9 6.2.10 6.2.11 6.2.12 6.3.1 6.3.2 6.3.3 6.3.4
        6.3.6 6.3.7 6.3.8 6.4.1 6.4.2 6.4.3 6.4.4 6.5.1 6.5.2 6.5.3 6.5.4 6.5.5 6.5.6 6.6.1 6.6.2 6.6.3""",
    "V7": "7.1.1 7.1.2 7.1.3 7.2.1 7.2.2 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.4 7.4.5 7.5.1 7.5.2 7.6.1 7.6.2",
    "V9": "9.1.1 9.1.2 9.1.3 9.2.1 9.2.2 9.2.3 9.2.4",
}

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
    wrong = [*_missing(chapters), *(problem for each in chapters.values() for problem in _problems(root, each))]
    if wrong:
        raise UncoveredItems("\n".join(wrong))
    return _HEAD + "\n".join(_section(name, chapter) for name, chapter in chapters.items())


def _missing(chapters: Mapping[str, Chapter]) -> Iterator[str]:
    for name in ITEMS.keys() | chapters.keys():
        held, asked = chapters[name].items.keys() if name in chapters else set(), set(ITEMS.get(name, "").split())
        yield from (f"{number}: left out" for number in sorted(asked - held))
        yield from (f"{number}: no such item is asked for" for number in sorted(held - asked))


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
