"""Looking for somebody in every table there is."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import text

from plaza.app.registry import metadata
from tests.support.stage import Stage


async def tables_with(stage: Stage, *words: str, but: Collection[str] = ()) -> set[str]:
    """Those in which a row holds any of these words, in whatever column."""
    found = set()
    async with stage.runtime.db.reader.connect() as connection:
        for name in metadata.tables:
            if name not in but:
                statement = text(
                    f"""select exists (select from "{name}" as row, unnest(cast(:words as text[])) as word
                    where strpos(cast(row as text), word) > 0)"""
                )
                if (await connection.execute(statement, {"words": list(words)})).scalar_one():
                    found.add(name)
    return found
