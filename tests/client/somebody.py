"""People as apps know them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from plaza.client import Plaza
from plaza.core.actor import Actor


@dataclass
class Somebody:
    id: UUID
    plaza: Plaza
    actor: Actor


Meet: TypeAlias = Callable[..., Awaitable[Somebody]]
