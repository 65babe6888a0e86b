from __future__ import annotations

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plaza.core.db import Cursors
from plaza.core.errors import InvalidCursor
from plaza.core.ids import uuid7

CURSORS = Cursors(b"k" * 32)


def test_a_cursor_gives_its_key_back() -> None:
    key = (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), uuid7())
    assert CURSORS.read("list", CURSORS.write("list", key), tuple[datetime, UUID]) == key


def test_a_cursor_of_another_list_or_key_is_refused() -> None:
    cursor = CURSORS.write("conversations:ada", 7)
    with pytest.raises(InvalidCursor):
        CURSORS.read("conversations:grace", cursor, int)
    with pytest.raises(InvalidCursor):
        Cursors(b"x" * 32).read("conversations:ada", cursor, int)


@given(st.text(max_size=80))
def test_made_up_cursors_are_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.read("list", text, int)


@given(st.integers(0, 30), st.integers(1, 255))
def test_a_changed_byte_is_refused(position: int, flip: int) -> None:
    cursor = CURSORS.write("list", 123456789)
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[position % len(raw)] ^= flip
    with pytest.raises(InvalidCursor):
        CURSORS.read("list", base64.urlsafe_b64encode(bytes(raw)).decode(), int)
