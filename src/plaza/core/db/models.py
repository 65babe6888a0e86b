"""The base of all tables: column types by annotation, names of constraints, versions, states."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Enum, Integer, MetaData, Text, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, QueryableAttribute, declared_attr, mapped_column
from sqlalchemy.types import Uuid

from plaza.core.states import Machine

State = TypeVar("State", bound=StrEnum)


class Base(DeclarativeBase):
    """Ids are given at construction (UUIDv7). Relationships stay inside a context and are `lazy="raise"`."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        str: Text(),
        int: Integer(),
        UUID: Uuid(),
        dict[str, Any]: JSONB(),
    }


def typed_ids(*kinds: Any) -> None:
    """Tells SQLAlchemy which NewTypes of UUID may stand in `Mapped[...]`."""
    Base.registry.update_type_annotation_map(dict.fromkeys(kinds, Uuid()))


class Versioned:
    """Optimistic locking for mutable tables: a stale write raises and its command starts afresh. The number is also the ETag."""

    version: Mapped[int] = mapped_column(BigInteger, nullable=False, default=1, server_default="1")

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 - SQLAlchemy calls it on the class
        return {"version_id_col": cls.version}


class Timestamped:
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def state_column(machine: Machine[State]) -> MappedColumn[State]:
    """A text column that holds the machine's states by CHECK, starts in its initial one and is changed by moves only."""
    kind = Enum(
        machine.states,
        native_enum=False,
        create_constraint=True,
        length=max(len(state) for state in machine.states) + 8,
        values_callable=lambda states: [state.value for state in states],
        name=machine.attribute,
    )
    return mapped_column(kind, nullable=False, default=machine.initial, info={"machine": machine})


@event.listens_for(Base, "attribute_instrument", propagate=True)
def _guard_state(_: type[Base], __: str, attribute: QueryableAttribute[Any]) -> None:
    for column in getattr(attribute.property, "columns", ()):
        if (machine := getattr(column, "info", {}).get("machine")) is not None:

            @event.listens_for(attribute, "set", retval=True)
            def check(target: Base, value: object, *_: object, machine: Machine[Any] = machine) -> Any:
                return machine.check(target.__dict__.get(machine.attribute), value)
