"""The base of repositories: the only rooms with SQL in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, bindparam, select

from plaza.core.db.database import Database
from plaza.core.db.models import Base

Row = TypeVar("Row", bound=Base)


class Repository(Generic[Row]):
    """Rows of one table by their id. Soft-deleted rows (`deleted_at`) stay hidden unless asked for."""

    model: ClassVar[type[Base]]

    def __init__(self, db: Database) -> None:
        self.db = db

    def add(self, row: Row) -> Row:
        self.db.session.add(row)
        return row

    async def get(self, id: UUID, *, deleted: bool = False) -> Row | None:
        return (await self.db.session.scalars(self._by_id(deleted), {"id": id})).one_or_none()

    async def lock(self, id: UUID, *, deleted: bool = False) -> Row | None:
        """The row as it is once nobody else can change it; taken before it is read."""
        statement = self._by_id(deleted, lock=True)
        return (await self.db.session.scalars(statement, {"id": id})).one_or_none()

    async def lock_many(self, ids: Iterable[UUID], *, deleted: bool = False) -> Sequence[Row]:
        """Locked in id order, so that two commands never wait for each other in a ring."""
        statement = (
            self.rows(deleted=deleted).where(self._id.in_(sorted(set(ids)))).order_by(self._id).with_for_update()
        )
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).all()

    def rows(self, *, deleted: bool = False) -> Select[tuple[Row]]:
        model: Any = self.model
        statement: Select[tuple[Row]] = select(model)
        if not deleted and hasattr(model, "deleted_at"):
            statement = statement.where(model.deleted_at.is_(None))
        return statement

    @property
    def _id(self) -> Any:
        model: Any = self.model
        return model.id

    def _by_id(self, deleted: bool, *, lock: bool = False) -> Select[tuple[Row]]:
        """Built once: that costs as much time as running it."""
        key = (type(self), deleted, lock)
        if (known := _statements.get(key)) is not None:
            return known
        statement = self.rows(deleted=deleted).where(self._id == bindparam("id", type_=self._id.type))
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return _statements.setdefault(key, statement)


_statements: dict[tuple[type, bool, bool], Select[Any]] = {}
