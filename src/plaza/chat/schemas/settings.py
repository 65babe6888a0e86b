"""Section `chat` of the settings."""

from __future__ import annotations

import msgspec

from plaza.core.ratelimit import parsed

_LIMITS = ("flood", "frames", "opening", "opening_by_network", "joining", "reporting")
_MAY_BE_NONE = ("edit_window_s", "max_edits", "delivery_frames_up_to")


class ChatSettings(msgspec.Struct, frozen=True):
    """`flood` limits the messages of one person, `frames` whatever their sockets say, `opening` how many sockets they open, as
    `opening_by_network` does for an address, `joining` their tries of invite links, `reporting` what they report.

    Without `presence` everybody looks offline, and nothing is kept of who comes and goes.
    `edit_window_s` is how long after sending a message can be edited.
    """

    max_participants: int = 500
    flood: str = "30 per 10 second"
    frames: str = "300 per 10 second"
    opening: str = "120/minute"
    opening_by_network: str = "1200/minute"
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
        for name in _LIMITS:
            try:
                parsed(getattr(self, name))
            except ValueError:
                raise ValueError(f"{name} must read like 120/minute") from None
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int) and not isinstance(value, bool) and value < (name not in _MAY_BE_NONE):
                raise ValueError(f"{name} must be {'positive' if name not in _MAY_BE_NONE else '0 or more'}")
