"""`/api/v1/admin/roles` and the catalogue of permissions."""

from __future__ import annotations

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.core.actor import Actor
from plaza.core.db import Page
from plaza.core.http import permission
from plaza.identity.schemas import ROLES_MANAGE, ROLES_READ, NewRole, PermissionView, RolePatch, RoleView
from plaza.identity.service import RoleService


class RoleController(Controller):
    path = "/api/v1/admin"
    tags = ("roles",)
    roles: RoleService

    @get("/permissions", opt=permission(ROLES_READ.name))
    async def catalogue(self) -> Page[PermissionView]:
        """Every permission there is, as contexts declare them. All of them on one page."""
        return (await self.roles.permissions()).unwrap()

    @get("/roles", opt=permission(ROLES_READ.name))
    async def all(self) -> Page[RoleView]:
        """The built-in ones first. All of them on one page."""
        return (await self.roles.all()).unwrap()

    @post("/roles", opt=permission(ROLES_MANAGE.name))
    async def create(self, actor: NamedDependency[Actor], data: JSONBody[NewRole]) -> RoleView:
        """With permissions that the maker holds."""
        return (await self.roles.create(actor, data)).unwrap()

    @patch("/roles/{name:str}", opt=permission(ROLES_MANAGE.name))
    async def change(self, actor: NamedDependency[Actor], name: FromPath[str], data: JSONBody[RolePatch]) -> RoleView:
        """In effect within a second: access tokens of all who hold the role are stale."""
        return (await self.roles.change(actor, name, data)).unwrap()

    @delete("/roles/{name:str}", opt=permission(ROLES_MANAGE.name))
    async def remove(self, actor: NamedDependency[Actor], name: FromPath[str]) -> None:
        """One that nobody holds."""
        (await self.roles.delete(actor, name)).unwrap()
