"""Section `chat` of the settings."""

from __future__ import annotations

import msgspec


class ChatSettings(msgspec.Struct, frozen=True):
    max_participants: int = 500
    flood: str = "30 per 10 second"  # messages of one person

    def __post_init__(self) -> None:
        if self.max_participants < 2:
            raise ValueError("max_participants must be at least 2")
