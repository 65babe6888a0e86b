"""PLAZA_IDENTITY_*."""

from __future__ import annotations

import msgspec
from limits import parse


class IdentitySettings(msgspec.Struct, frozen=True):
    """Times in seconds. `hash_queue` is how many passwords may wait for one of the `hash_threads`."""

    access_token_s: int = 900
    refresh_token_s: int = 7 * 86_400
    refresh_grace_s: int = 30
    session_s: int = 90 * 86_400
    code_s: int = 600
    code_tries: int = 3
    code_mails: str = "5 per 15 minute"
    mfa_s: int = 300
    ticket_s: int = 60
    login_failures: int = 5
    login_wait_s: int = 30
    login_wait_max_s: int = 900
    hash_threads: int = 2
    hash_queue: int = 64
    unverified_days: int = 30

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int) and value < (0 if name in ("hash_queue", "refresh_grace_s") else 1):
                raise ValueError(f"{name} is too small")
        try:
            parse(self.code_mails)
        except ValueError:
            raise ValueError("code_mails must read like 5 per 15 minute") from None
