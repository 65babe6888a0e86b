"""What chat holds in its tables, before and after."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from sqlalchemy import text

from plaza.app.registry import metadata
from tests.support.stage import Stage

# Follows what sockets took, in its own time.
FLEETING = "last_delivered_seq"
OWNERS = ("user_id", "reporter_id")
_ROWS = text(
    " union all ".join(
        f"select '{table.name}', (to_jsonb(t) - '{FLEETING}')::text from {table.name} t"
        for table in metadata.sorted_tables
        if table.name.startswith("chat_")
    )
)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Row:
    table: str
    values: str
    owner: str | None  # whose it is, where it is somebody's
    about: frozenset[str]  # ids that it names


async def snapshot(stage: Stage) -> set[Row]:
    """PostgreSQL spells the rows: thousands are looked at after each attempt, and next to none is new."""
    async with stage.runtime.db.engine.connect() as connection:
        return {_row(table, values) for table, values in await connection.execute(_ROWS)}


@cache
def _row(table: str, values: str) -> Row:
    given = json.loads(values)
    owner = next((given[each] for each in OWNERS if given.get(each) is not None), None)
    about = frozenset(each for each in given.values() if isinstance(each, str) and _ID.fullmatch(each))
    return Row(table, values, owner, about)


def beyond_ones_own(before: set[Row], after: set[Row], who: str, about: Collection[str]) -> set[Row]:
    """What was changed of other people's, or added about these things, by somebody who may only change his own."""
    theirs = {each for each in before - after if each.owner != who}
    return theirs | {each for each in after - before if each.owner != who and each.about & set(about)}
