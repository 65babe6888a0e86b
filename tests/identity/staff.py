"""People with rights, made through the services."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text

from plaza.core.actor import Actor
from plaza.core.result import Failure, ServiceResult
from plaza.domain_events.identity import UserId
from plaza.identity import NewUser, TokenService, UserService
from plaza.identity.schemas import Grant, GrantInput, NewRole, Proof
from plaza.identity.service import LoginGate, RoleService
from tests.identity.builders import HERE, Person
from tests.support.stage import Stage


async def somebody(
    plaza: Stage, name: str, *roles: str, until: datetime | None = None, methods: tuple[str, ...] = ("pwd",)
) -> Person:
    """Active, logged in, with these roles given by an operator."""
    email = f"{name}@example.com"
    (id,) = (await plaza[UserService].create_many([NewUser(email=email, display_name=name.title())])).unwrap()
    for role in roles:
        (await plaza[RoleService].assign(id, role, until)).unwrap()
    return await logged_in_again(plaza, id, email, methods)


async def logged_in_again(plaza: Stage, id: UserId, email: str, methods: tuple[str, ...] = ("pwd",)) -> Person:
    grant = (await plaza[LoginGate].admit(id, Proof(methods=methods, is_multi_factor=True), HERE)).unwrap()
    assert isinstance(grant, Grant)
    pair = (await plaza[TokenService].pair(grant)).unwrap()
    return Person(id, email, pair, await plaza[TokenService].authenticate(pair.access_token))


async def a_role(plaza: Stage, boss: Person, name: str, *permissions: str) -> str:
    (await plaza[RoleService].create(boss.actor, NewRole(name=name, permissions=list(permissions)))).unwrap()
    return name


async def give(plaza: Stage, by: Actor, to: Person, role: str, until: datetime | None = None) -> str:
    """The code of the refusal, or nothing."""
    return code_of(await plaza[RoleService].grant(by, to.id, GrantInput(role=role, expires_at=until)))


def code_of(result: ServiceResult[Any]) -> str:
    return result.error.code if isinstance(result, Failure) else ""


async def roles_of(plaza: Stage, person: Person) -> list[str]:
    """As the tables have them, expired ones included."""
    async with plaza.runtime.db.reader.connect() as connection:
        rows = await connection.execute(
            text(
                "select r.name from identity_user_role u join identity_role r on r.id = u.role_id"
                " where u.user_id = :id order by r.name"
            ),
            {"id": person.id},
        )
        return [row.name for row in rows]


async def audited(plaza: Stage, action: str) -> list[Any]:
    """Rows of this action, oldest first."""
    async with plaza.runtime.db.reader.connect() as connection:
        rows = await connection.execute(
            text("select * from audit_entry where action = :action order by at, id"), {"action": action}
        )
        return list(rows)
