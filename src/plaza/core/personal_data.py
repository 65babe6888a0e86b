"""What every context does for a person who wants their data, or wants it gone. Its manifest names who: `Context(personal_data=...)`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

from plaza.core.result import ServiceResult


class Person(msgspec.Struct, frozen=True):
    """`contacts` are addresses and numbers as they are stored: some know people only by these.

    With `erase_texts` an erasure takes what they wrote to others, too, and not only their name from it.
    """

    user_id: UUID
    contacts: tuple[str, ...] = ()
    erase_texts: bool = False


class Erased(msgspec.Struct, frozen=True):
    """How many rows of each kind were taken this time. Not `finished`: there is more, and `erase` is to be called again."""

    counts: dict[str, int]
    finished: bool = True


class Piece(NamedTuple):
    """A file of an export; `name` with its extension, unique in its context."""

    name: str
    content: AsyncIterator[bytes]


class PersonalData(Protocol):
    """One context's share of a person."""

    def export(self, person: Person) -> AsyncIterator[Piece]:
        """Only what is theirs: of what they share with others, their own part. Each piece is read to its end before the next."""
        ...

    async def erase(self, person: Person) -> ServiceResult[Erased]:
        """One command of at most a second or two; once it has finished, nothing here leads to the person, however often it is called.

        Their id may stay: nobody knows any more whose it was.
        """
        ...


class PersonalDataHolders:
    """Every context that has personal data, the highest layer first: who depends on others lets go before them.

    Complete once the process is composed; the lower contexts that hold it may not ask for its content earlier.
    """

    def __init__(self) -> None:
        self.by_context: Mapping[str, PersonalData] = {}

    def add(self, context: str, holder: PersonalData) -> None:
        """A context above all that were added before."""
        self.by_context = {context: holder, **self.by_context}

    def add_lowest(self, context: str, holder: PersonalData) -> None:
        self.by_context = {**self.by_context, context: holder}


def document(name: str, value: Any) -> Piece:
    """One JSON document."""

    async def content() -> AsyncIterator[bytes]:
        yield msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"

    return Piece(f"{name}.json", content())


def lines(name: str, rows: AsyncIterator[Any] | Iterable[Any]) -> Piece:
    """A JSON document per line (NDJSON), for what may be long."""

    async def content() -> AsyncIterator[bytes]:
        if isinstance(rows, AsyncIterator):
            async for row in rows:
                yield msgspec.json.encode(row) + b"\n"
        else:
            for row in rows:
                yield msgspec.json.encode(row) + b"\n"

    return Piece(f"{name}.ndjson", content())
