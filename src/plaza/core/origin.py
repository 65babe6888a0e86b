"""From where something was asked for: set by the HTTP edge for requests and sockets, read by whoever writes it down.

Nowhere in jobs and on the command line: what they do was asked for earlier, and their correlation id leads there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import NamedTuple


class Whence(NamedTuple):
    """Empty where nobody called from outside."""

    ip: str = ""
    user_agent: str = ""


@lru_cache(4096)
def network_of(ip: str) -> str:
    """An IPv6 caller owns its /64: counting single addresses would count nothing."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    return str(ipaddress.ip_network(f"{ip}/64", strict=False)) if address.version == 6 else ip


_NOWHERE = Whence()
_whence: ContextVar[Whence] = ContextVar("whence", default=_NOWHERE)


def whence() -> Whence:
    return _whence.get()


@contextmanager
def coming_from(ip: str, user_agent: str) -> Iterator[None]:
    token = _whence.set(Whence(ip, user_agent))
    try:
        yield
    finally:
        _whence.reset(token)
