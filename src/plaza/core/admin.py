"""What contexts show to staff, declared in their manifests: `declares=(USERS, ...)` of `AdminView`. The site at /admin reads them all.

A view only reads. What staff may do with a row is an action: a function that, like a job's, calls one command of a service.

    async def ban(actor: Actor, row: Any, given: BanInput, staff: StaffService) -> ServiceResult[StaffUserView]:
        return await staff.ban(actor, row.id, given)

    USERS = AdminView(
        name="users", title="Users", permission="users.read",
        rows=USERS_FOR_STAFF, columns=(Column("email"), Column("status", choices=tuple(UserStatus)), Column("created_at")),
        actions=(Action("ban", "Ban", ban, permission="users.ban", given=BanInput, danger=True),),
    )

`rows` is a SELECT of the context's repository that names just what is to be seen. Secrets are refused by name when the site is built.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Select

from plaza.core.result import ServiceResult


@dataclass(frozen=True, slots=True)
class Column:
    """A labelled column of the view's SELECT; how it is written follows from its type.

    `choices` (and every boolean) can be filtered by. `links_to` names the view whose rows this column holds the key of: staff follow
    it there, and come from there to the rows that belong to one of its rows. `listed` False shows it only on the row's own page.
    """

    name: str
    label: str = ""
    choices: Sequence[str] = ()
    links_to: str = ""
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Action:
    """`run` takes the actor, the row as it was read, `given` where there is such a struct (its fields become a form), and services by type.

    It is offered where `when(row)` holds, and always asks before it acts: `asks` is the question. `done` is told afterwards.
    """

    name: str
    label: str
    run: Callable[..., Awaitable[ServiceResult[Any]]]
    permission: str
    asks: str
    done: str
    given: type[msgspec.Struct] | None = None
    when: Callable[[Any], bool] = lambda _: True
    danger: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdminView:
    """A list of rows, newest first, and a page for each of them.

    `name` is its place in the address, `noun` what one row is. `key` is the column that identifies a row, `order` the columns that it
    is listed by, descending, the key left out where it is unique enough: keys are UUIDv7. `search` names the columns that are searched
    by how they begin, without case; the key is always found. `group` gathers views in the menu.
    """

    name: str
    title: str
    noun: str
    group: str
    icon: str
    permission: str
    rows: Select[Any]
    columns: Sequence[Column]
    note: str = ""
    key: str = "id"
    order: Sequence[str] = ()
    search: Sequence[str] = ()
    actions: Sequence[Action] = ()
