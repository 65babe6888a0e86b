"""Reads what the contexts' views select: their SELECT as a subquery, which PostgreSQL flattens; conditions, order and page around it."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Subquery, false, func, or_, select

from plaza.admin.schemas import Listing, Question
from plaza.core.admin import AdminView
from plaza.core.db import Database


class RowRepository:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def page(self, view: AdminView, question: Question) -> Listing:
        rows = source(view)
        statement = select(rows).where(*_conditions(view, rows, question))
        statement = statement.order_by(*(rows.c[name].desc() for name in (*view.order, view.key)))
        statement = statement.offset((question.page - 1) * question.size).limit(question.size + 1)
        async with self.db.reading() as connection:
            found = (await connection.execute(statement)).all()
        return Listing(found[: question.size], more=len(found) > question.size)

    async def one(self, view: AdminView, key: str) -> Any | None:
        """None also where `key` could not be one."""
        rows = source(view)
        async with self.db.reading() as connection:
            return (await connection.execute(select(rows).where(_equals(rows.c[view.key], key)))).one_or_none()


@cache
def source(view: AdminView) -> Subquery:
    return view.rows.subquery(view.name)


def python_type(column: ColumnElement[Any]) -> type:
    """How its values look: UUID, bool, datetime, dict, str ..."""
    try:
        return column.type.python_type
    except NotImplementedError:
        return str


def _conditions(view: AdminView, rows: Subquery, question: Question) -> list[ColumnElement[bool]]:
    conditions = [_equals(rows.c[name], value) for name, value in question.filters.items()]
    if question.search:
        begins = [func.lower(rows.c[name]).startswith(question.search.lower(), autoescape=True) for name in view.search]
        conditions.append(or_(_equals(rows.c[view.key], question.search), *begins))
    return conditions


def _equals(column: ColumnElement[Any], given: str) -> ColumnElement[bool]:
    """No row where `given` is not of the column's type."""
    kind = python_type(column)
    try:
        if kind is UUID:
            return column == UUID(given)
        if kind is bool:
            return column.is_({"true": True, "false": False}[given])
        return column == kind(given) if issubclass(kind, str) else false()  # also one of an enumeration
    except (ValueError, KeyError):
        return false()
