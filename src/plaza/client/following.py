"""Where a line stands in the log of each conversation: what comes next, what came before, what is missing. No input or output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID


class Gap(Exception):
    """An entry is missing in between: what comes now cannot be taken."""


class Following:
    """With `everything` conversations are followed from the first entry that is heard of them.

    `behind` are those to be resumed: nothing of them is taken until the server has said that what follows is what was asked for.
    """

    def __init__(self, after: Mapping[UUID, int], *, everything: bool) -> None:
        self.everything = everything
        self.at = dict(after)
        self.behind: set[UUID] = set(after)
        self._first: dict[UUID, int] | None = {}

    @property
    def is_listed(self) -> bool:
        return self._first is None

    def lost(self) -> None:
        """The connection: all are to be resumed, and what is new is to be listed."""
        self.behind = set(self.at)
        self._first = {}

    def listed(self, heads: Mapping[UUID, int]) -> None:
        """Every conversation there is, with the seq after which one that is new here begins.

        One that came into being meanwhile begins with what was heard of it first.
        """
        heard, self._first = self._first or {}, None
        begins = {**{id: seq - 1 for id, seq in heard.items()}, **heads}
        for id, seq in begins.items():
            if id not in self.at:
                self.follow(id, seq)

    def follow(self, id: UUID, after: int) -> None:
        self.at[id] = after
        self.behind.add(id)

    def forget(self, id: UUID) -> None:
        self.at.pop(id, None)
        self.behind.discard(id)

    def resumed(self, ids: Iterable[UUID]) -> None:
        self.behind.difference_update(ids)

    def is_next(self, id: UUID, seq: int) -> bool:
        """False: it came before, or comes again later. Raises Gap."""
        if id in self.behind:
            return False
        at = self.at.get(id)
        if at is None:
            if not self.everything or self._first is None:
                return self.everything
            self._first.setdefault(id, seq)
            return False
        if seq > at + 1:
            raise Gap
        return seq == at + 1

    def took(self, id: UUID, seq: int) -> None:
        self.at[id] = seq
