"""Bounds of the fan-out: section `realtime`."""

from __future__ import annotations

import msgspec


class RealtimeSettings(msgspec.Struct, frozen=True):
    queue_frames: int = 2_000  # a reader that lags further behind is closed and resumes
    queue_bytes: int = 896 * 1024  # of memory: with what waits in its line a stalled reader costs less than 1 MiB
    sockets_per_user: int = 10
    frames_in_flight: int = 32  # of one socket
    frame_bytes: int = 128 * 1024  # of a client's frame
    page: int = 200  # entries read from the log at once
    log_reads: int = 8  # at the same time, so that healing leaves connections for the commands
    sweep_s: float = 1
    window_s: float = 10  # how far back a sweep looks: longer than a transaction lasts and clocks differ
    stalled_s: float = 600  # how far back at most for the sake of a transaction whose COMMIT lasts longer
    patience_s: float = 0.03  # a gap may be a wake-up that was overtaken; only then it is read from the log
    close_within_s: float = 20  # for a reader too slow to take even the close frame
    restart_spread_ms: int = 5_000  # clients come back at a random moment of it

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
