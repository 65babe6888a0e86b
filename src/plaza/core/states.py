"""State machines as data: one table per lifecycle, one guarded way to move.

    DELIVERY = Machine("delivery", DeliveryState, initial=DeliveryState.QUEUED, moves={
        "sent": Move({DeliveryState.QUEUED}, DeliveryState.SENT), ...})

    class Delivery(Base):
        state: Mapped[DeliveryState] = DELIVERY.column()        # plaza.core.db.models makes the column and its CHECK from the table

        @DELIVERY.move
        def sent(self, at: datetime) -> None: ...

The move's body runs first, then the state changes. Setting the attribute in any other way raises `StateAssignedDirectly`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from plaza.core.errors import InvalidTransition

P = ParamSpec("P")
R = TypeVar("R")
State = TypeVar("State", bound=StrEnum)


class StateAssignedDirectly(RuntimeError):
    """A state was set without a move."""


@dataclass(frozen=True, slots=True)
class Move(Generic[State]):
    sources: frozenset[State] | set[State]
    target: State


class Machine(Generic[State]):
    def __init__(
        self,
        name: str,
        states: type[State],
        *,
        initial: State,
        moves: Mapping[str, Move[State]],
        attribute: str = "state",
    ) -> None:
        self.name, self.states, self.initial, self.moves, self.attribute = name, states, initial, moves, attribute
        unreachable = set(states) - {initial} - {move.target for move in moves.values()}
        if unreachable:
            raise ValueError(f"{name}: no move leads to {sorted(unreachable)}")

    def move(self, fn: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
        move = self.moves[fn.__name__]

        @wraps(fn)
        def run(entity: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
            state = getattr(entity, self.attribute)
            if state not in move.sources:
                raise InvalidTransition(f"{self.name} cannot be {fn.__name__} from {state}")
            result = fn(entity, *args, **kwargs)
            setattr(entity, self.attribute, _Entered(move.target))
            return result

        return run

    def check(self, current: State | None, value: object) -> State:
        """What may be stored: a move's target, or the initial state of something new."""
        if isinstance(value, _Entered):
            return self.states(value.state)
        if current is None and value == self.initial:
            return self.initial
        raise StateAssignedDirectly(f"{self.name} moves only by {', '.join(self.moves)}")


@dataclass(frozen=True, slots=True)
class _Entered:
    """Proof that a value comes from a move."""

    state: StrEnum
