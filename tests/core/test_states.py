from __future__ import annotations

from enum import StrEnum

import pytest
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, state_column
from plaza.core.errors import InvalidTransition
from plaza.core.states import Machine, Move, StateAssignedDirectly


class Door(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    LOCKED = "locked"


DOOR = Machine(
    "door",
    Door,
    initial=Door.OPEN,
    moves={
        "shut": Move({Door.OPEN}, Door.CLOSED),
        "lock": Move({Door.CLOSED}, Door.LOCKED),
        "unlock": Move({Door.LOCKED}, Door.CLOSED),
    },
)


class DoorRow(Base):
    __tablename__ = "test_door"
    __table_args__ = {"info": {"test_only": True}}

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[Door] = state_column(DOOR)
    keeper: Mapped[str | None]

    @DOOR.move
    def shut(self) -> None: ...

    @DOOR.move
    def lock(self, keeper: str) -> None:
        self.keeper = keeper

    @DOOR.move
    def unlock(self) -> None:
        self.keeper = None


Base.metadata.remove(DoorRow.__table__)  # type: ignore[arg-type] # a Table; it belongs to no migration


def a_door_in(state: Door) -> DoorRow:
    door = DoorRow(id=1, state=Door.OPEN)
    if state is not Door.OPEN:
        door.shut()
    if state is Door.LOCKED:
        door.lock("ada")
    return door


@pytest.mark.parametrize("state", list(Door))
@pytest.mark.parametrize("move", list(DOOR.moves))
def test_every_pair_of_state_and_move_follows_the_table(state: Door, move: str) -> None:
    door = a_door_in(state)
    arguments = ("grace",) if move == "lock" else ()
    if state in DOOR.moves[move].sources:
        getattr(door, move)(*arguments)
        assert door.state is DOOR.moves[move].target
    else:
        with pytest.raises(InvalidTransition):
            getattr(door, move)(*arguments)
        assert door.state is state


def test_a_state_cannot_be_assigned() -> None:
    door = a_door_in(Door.CLOSED)
    with pytest.raises(StateAssignedDirectly):
        door.state = Door.OPEN
    with pytest.raises(StateAssignedDirectly):
        DoorRow(id=2, state=Door.LOCKED)


def test_a_state_that_no_move_reaches_is_a_mistake_in_the_table() -> None:
    with pytest.raises(ValueError, match="locked"):
        Machine("door", Door, initial=Door.OPEN, moves={"shut": Move({Door.OPEN}, Door.CLOSED)})


def test_an_unknown_move_is_a_mistake_at_import() -> None:
    with pytest.raises(KeyError):

        @DOOR.move
        def paint(self: DoorRow) -> None: ...
