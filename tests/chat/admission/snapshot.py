"""What chat holds in its tables, before and after."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from plaza.app.registry import metadata
from tests.support.stage import Stage

TABLES = [table for table in metadata.sorted_tables if table.name.startswith("chat_")]
# Follows what sockets took, in its own time.
FLEETING = "last_delivered_seq"
OWNERS = ("user_id", "reporter_id")


@dataclass(frozen=True)
class Row:
    table: str
    values: frozenset[tuple[str, str]]
    owner: str | None  # whose it is, where it is somebody's
    about: frozenset[str]  # ids that it names


async def snapshot(stage: Stage) -> set[Row]:
    found = set()
    async with stage.runtime.db.engine.connect() as connection:
        for table in TABLES:
            for row in (await connection.execute(select(table))).mappings():
                found.add(_row(table.name, {name: value for name, value in row.items() if name != FLEETING}))
    return found


def _row(table: str, values: dict[str, Any]) -> Row:
    owner = next((str(values[each]) for each in OWNERS if values.get(each) is not None), None)
    about = frozenset(str(each) for each in values.values() if isinstance(each, UUID))
    return Row(table, frozenset((name, repr(value)) for name, value in values.items()), owner, about)


def beyond_ones_own(before: set[Row], after: set[Row], who: str, about: Collection[str]) -> set[Row]:
    """What was changed of other people's, or added about these things, by somebody who may only change his own."""
    theirs = {each for each in before - after if each.owner != who}
    return theirs | {each for each in after - before if each.owner != who and each.about & set(about)}
