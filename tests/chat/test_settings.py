"""What cannot be meant is named when the process starts, and not by the first message."""

from __future__ import annotations

from typing import Any

import pytest

from plaza.chat.schemas import ChatSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flood", "nonsense"),
        ("frames", ""),
        ("opening", "5"),
        ("opening_by_network", "many/minute"),
        ("joining", "20/moment"),
        ("reporting", "/hour"),
        ("max_participants", 1),
        ("max_emoji", 0),
        ("max_pins", -1),
        ("edit_window_s", -1),
    ],
)
def test_what_cannot_be_meant(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must "):
        ChatSettings(**{name: value})


def test_nothing_at_all_may_be_meant() -> None:
    settings = ChatSettings(edit_window_s=0, max_edits=0, delivery_frames_up_to=0, presence=False)
    assert (settings.edit_window_s, settings.max_edits) == (0, 0)
