"""Passwords of tests cost next to nothing in this process; what they cost elsewhere is tested by itself."""

from __future__ import annotations

from typing import Any

from argon2 import PasswordHasher as Argon2

from plaza.identity.service import passwords


def make_cheap() -> None:
    """From here on, for every hasher that is made."""
    vars(passwords)["Argon2"] = _cheap


def _cheap(**costs: Any) -> Argon2:
    return Argon2(**{**costs, "time_cost": 1, "memory_cost": 8})
