"""The matrix of ASVS items refuses what it does not hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plaza.dev.asvs import SOURCE, UncoveredItems, matrix

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """With a source of its own; tests and documents are the real ones."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "tests").mkdir()
    for each in (ROOT / "tests").iterdir():
        if each != ROOT / SOURCE:
            (tmp_path / "tests" / each.name).symlink_to(each)
    (tmp_path / SOURCE).write_text((ROOT / SOURCE).read_text())
    return tmp_path


def refusal(root: Path) -> str:
    with pytest.raises(UncoveredItems) as refused:
        matrix(root)
    return str(refused.value)


def change(root: Path, pattern: str, by: str) -> None:
    text = (root / SOURCE).read_text()
    changed, count = re.subn(pattern, by, text, flags=re.MULTILINE)
    assert count == 1
    (root / SOURCE).write_text(changed)


def test_it_is_whole(clone: Path) -> None:
    assert "| 6.2.8 |" in matrix(clone)


def test_an_item_that_is_left_out(clone: Path) -> None:
    change(clone, r'^"7\.4\.4" = .*\n', "")
    assert refusal(clone) == "7.4.4: left out"


def test_an_item_that_nobody_asks_for(clone: Path) -> None:
    change(clone, r'^"7\.4\.4" =', '"7.4.9" =')
    assert refusal(clone) == "7.4.4: left out\n7.4.9: no such item is asked for"


def test_an_item_without_anything_behind_it(clone: Path) -> None:
    change(clone, r'^"7\.4\.4" = .*$', '"7.4.4" = { asks = "a logout on every page" }')
    assert refusal(clone) == "7.4.4: neither a test nor a reason"


def test_a_test_that_is_not_there(clone: Path) -> None:
    change(clone, r"test_every_page_has_its_logout", "test_gone")
    assert refusal(clone) == "7.4.4: there is no tests/browser/test_account.py::test_gone"
