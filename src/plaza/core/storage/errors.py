from __future__ import annotations

from plaza.core.result import DomainError


class LinkInvalid(DomainError):
    """This link is wrong, or too old: ask for a new one."""

    code, status = "LINK_INVALID", 403


class NoSuchFile(LookupError):
    """Nothing is kept under this key."""
