"""Section `chat` of the settings."""

from __future__ import annotations

import msgspec


class ChatSettings(msgspec.Struct, frozen=True):
    """`flood` limits the messages of one person, `frames` whatever their sockets say, `joining` their tries of invite links,
    `reporting` what they report.

    Without `presence` everybody looks offline, and nothing is kept of who comes and goes.
    `edit_window_s` is how long after sending a message can be edited.
    """

    max_participants: int = 500
    flood: str = "30 per 10 second"
    frames: str = "300 per 10 second"
    edit_window_s: int = 900
    max_edits: int = 10
    max_emoji: int = 20
    max_own_emoji: int = 5
    max_pins: int = 100
    max_scheduled: int = 100
    max_invite_links: int = 100
    joining: str = "20/minute"
    reporting: str = "30/hour"
    presence: bool = True
    delivery_frames_up_to: int = 20  # participants; in larger groups nobody is told what reached whom

    def __post_init__(self) -> None:
        if self.max_participants < 2:
            raise ValueError("max_participants must be at least 2")
