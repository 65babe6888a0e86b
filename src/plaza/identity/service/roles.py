"""Who may do what beyond their own things: roles, what they allow, who holds them.

All changes of roles and grants wait for each other, however far apart the people are: the rules look at several at once, and changes
are rare. Whoever makes one is looked up anew under that lock; what an access token says is up to a second old.

    nobody hands out or takes away what they do not hold themselves
    only a superuser makes and unmakes those who can make others: superusers, admins, every role with one of POWERS
    nobody changes their own roles; the last superuser stays

Where an outside issuer keeps somebody's session, the roles that the operator mapped stand for all of their grants.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor, Permission
from plaza.core.clock import Clock
from plaza.core.db import Database, Page
from plaza.core.errors import PermissionDenied, ValidationFailed
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow, query
from plaza.domain_events.identity import UserId
from plaza.identity.errors import (
    BeyondOwnPermissions,
    LastSuperuser,
    OwnAccount,
    PermissionUnknown,
    RoleBuiltIn,
    RoleInUse,
    RoleNameTaken,
    RoleNotFound,
    UserNotFound,
)
from plaza.identity.models import EndReason, Role, User, UserStatus
from plaza.identity.repository import RoleRepository, SessionRepository, UserRepository
from plaza.identity.repository.roles import SUPERUSER
from plaza.identity.schemas import (
    ROLES_MANAGE,
    USERS_IMPERSONATE,
    USERS_ROLES,
    GrantInput,
    GrantView,
    NewRole,
    PermissionView,
    Rights,
    RolePatch,
    RoleView,
)
from plaza.identity.service.sessions import SessionService
from plaza.identity.service.watch import RoleWatch, StaleWatch

ADMIN = "admin"
POWERS = frozenset({ROLES_MANAGE.name, USERS_ROLES.name})
_BATCH = 500


class RoleService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: AuditService,
        sessions: SessionService,
        stale: StaleWatch,
        watch: RoleWatch,
        permissions: Sequence[Permission],
    ) -> None:
        super().__init__(db)
        self.clock, self.audit, self.sessions, self.stale, self.watch = clock, audit, sessions, stale, watch
        self.catalogue = {each.name: each for each in sorted(permissions, key=lambda each: each.name)}
        if len(self.catalogue) != len(permissions):
            raise ValueError("a permission is declared twice")
        self.roles, self.users, self.acting = RoleRepository(db), UserRepository(db), SessionRepository(db)

    @query()
    async def permissions(self) -> ServiceResult[Page[PermissionView]]:
        """Everything that contexts declare."""
        declared = self.catalogue.values()
        return success(Page([PermissionView(name=each.name, description=each.description) for each in declared], None))

    @query()
    async def all(self) -> ServiceResult[Page[RoleView]]:
        return success(Page(await self.roles.views(self.clock.now()), None))

    @command(BeyondOwnPermissions, PermissionDenied, PermissionUnknown, RoleNameTaken)
    async def create(self, actor: Actor, new: NewRole) -> ServiceResult[RoleView]:
        permissions = self._declared(new.permissions)
        own = await self._standing(actor, ROLES_MANAGE)
        self._check_reach(own, new.name, permissions)
        if await self.roles.named(new.name) is not None:
            return failure(RoleNameTaken())
        role = self.roles.add(Role(id=uuid7(), name=new.name, description=new.description, created_at=self.clock.now()))
        await self.db.session.flush()
        await self.roles.set_permissions(role.id, permissions)
        await self._tell_changed()
        await self._record(actor, "role_created", role.name, after=_told(role, permissions))
        return success(await self._view(role.name))

    @command(BeyondOwnPermissions, PermissionDenied, PermissionUnknown, RoleBuiltIn, RoleNotFound)
    async def change(self, actor: Actor, name: str, patch: RolePatch) -> ServiceResult[RoleView]:
        """The tokens of all who hold it are stale; who holds it by an outside issuer's word is looked up anew."""
        changes: Mapping[str, Any] = patch.changes()
        own = await self._standing(actor, ROLES_MANAGE)
        role = await self._named(name)
        held = await self.roles.permissions_of(role.id)
        wanted = self._declared(changes["permissions"]) if "permissions" in changes else held
        self._check_reach(own, name, (held ^ wanted) | (POWERS & (held | wanted)))
        if name == SUPERUSER and wanted:
            return failure(RoleBuiltIn("A superuser may do everything as it is."))
        before = _told(role, held)
        role.description = changes.get("description", role.description)
        await self.db.session.flush()
        if wanted != held:
            await self.roles.set_permissions(role.id, wanted)
            await self._settle(await self.roles.holders(role.id))
            await self._tell_changed(lost=held - wanted)
        await self._record(actor, "role_changed", name, before=before, after=_told(role, wanted))
        return success(await self._view(name))

    @command(BeyondOwnPermissions, PermissionDenied, RoleBuiltIn, RoleInUse, RoleNotFound)
    async def delete(self, actor: Actor, name: str) -> ServiceResult[None]:
        own = await self._standing(actor, ROLES_MANAGE)
        role = await self._named(name)
        if role.is_builtin:
            return failure(RoleBuiltIn())
        held = await self.roles.permissions_of(role.id)
        self._check_reach(own, name, held)
        if await self.roles.holders(role.id):
            return failure(RoleInUse())
        await self.roles.remove(role.id)
        await self._tell_changed(lost=held)
        await self._record(actor, "role_deleted", name, before=_told(role, held))
        return success(None)

    @command(
        BeyondOwnPermissions, LastSuperuser, OwnAccount, PermissionDenied, RoleNotFound, UserNotFound, ValidationFailed
    )
    async def grant(self, actor: Actor, user_id: UserId, given: GrantInput) -> ServiceResult[list[GrantView]]:
        """Answers all that the person holds now."""
        await self._check_hand(actor, user_id, given.role)
        return await self.assign(user_id, given.role, given.expires_at, by=actor)

    @command(BeyondOwnPermissions, LastSuperuser, OwnAccount, PermissionDenied, RoleNotFound, UserNotFound)
    async def revoke(self, actor: Actor, user_id: UserId, name: str) -> ServiceResult[None]:
        await self._check_hand(actor, user_id, name)
        return await self.withdraw(user_id, name, by=actor)

    @command(LastSuperuser, RoleNotFound, UserNotFound, ValidationFailed)
    async def assign(
        self, user_id: UserId, name: str, until: datetime | None = None, *, by: Actor | None = None
    ) -> ServiceResult[list[GrantView]]:
        """By an operator, who has the machine and so every right, unless `grant` asked first."""
        now = self.clock.now()
        await self.roles.hold()
        role = await self._named(name)
        await self._person(user_id)
        if until is not None and until <= now:
            return failure(ValidationFailed(errors={"expires_at": ["Lies in the past."]}))
        before = await self._grant_of(user_id, name)
        if name == SUPERUSER and before is not None and until is not None:
            await self._check_another_superuser(user_id)
        await self.roles.put_grant(
            user_id, role.id, by=UserId(by.user_id) if by is not None else None, until=until, now=now
        )
        await self._settle([user_id])
        told = {"role": name, "expires_at": until}
        await self._record(by, "role_granted", name, before=_held(before), after=told, user_id=user_id)
        return success((await self.roles.grants_of([user_id], now))[user_id])

    @command(LastSuperuser, RoleNotFound, UserNotFound)
    async def withdraw(self, user_id: UserId, name: str, *, by: Actor | None = None) -> ServiceResult[None]:
        """As `assign`. Nothing happens where the role is not held."""
        await self.roles.hold()
        role = await self._named(name)
        await self._person(user_id)
        before = await self._grant_of(user_id, name)
        if before is None:
            return success(None)
        if name == SUPERUSER:
            await self._check_another_superuser(user_id)
        await self.roles.remove_grant(user_id, role.id)
        await self._settle([user_id])
        await self._record(by, "role_revoked", name, before=_held(before), user_id=user_id)
        return success(None)

    @query()
    async def held_by(self, user_id: UserId) -> ServiceResult[list[GrantView]]:
        return success((await self.roles.grants_of([user_id], self.clock.now()))[user_id])

    @command(LastSuperuser)
    async def check_dispensable(self, user_id: UserId) -> ServiceResult[None]:
        """For whatever keeps somebody out: a ban, a closed account. To be asked before the person's row is locked.

        Only superusers wait for changes of roles here: whoever becomes one meanwhile is not the last.
        """
        if (await self.roles.rights_of(user_id, self.clock.now())).is_superuser:
            await self.roles.hold()
            await self._check_another_superuser(user_id)
        return success(None)

    @command(BeyondOwnPermissions, OwnAccount, PermissionDenied, UserNotFound)
    async def check_reach(self, actor: Actor, user_id: UserId, permission: str) -> ServiceResult[None]:
        """Whether the actor, who needs `permission`, may do something to this account: nobody does to those who may do more.

        Roles cannot change until the transaction ends.
        """
        own = await self._standing(actor, self.catalogue[permission])
        if actor.user_id == user_id:
            return failure(OwnAccount())
        await self._person(user_id)
        if not own.covers(await self.roles.rights_of(user_id, self.clock.now())):
            return failure(BeyondOwnPermissions("This account may do more than you."))
        return success(None)

    @flow()
    async def expire(self) -> ServiceResult[None]:
        """Takes away grants whose time is over. They have not counted since: access tokens end with the grants behind them."""
        while (await self._expire()).unwrap() == _BATCH:
            pass
        return success(None)

    @command()
    async def _expire(self) -> ServiceResult[int]:
        await self.roles.hold()
        over = await self.roles.remove_expired(self.clock.now(), _BATCH)
        await self._settle([user_id for user_id, _ in over])
        for user_id, name in over:
            await self._record(None, "role_expired", name, before={"role": name}, user_id=user_id)
        return success(len(over))

    async def _standing(self, actor: Actor, needed: Permission) -> Rights:
        """What the actor may do now; nobody changes that until the transaction ends. Raises PermissionDenied."""
        await self.roles.hold()
        if actor.outside_roles is None:
            rights = await self.roles.rights_of(UserId(actor.user_id), self.clock.now())
        else:
            rights = Rights(permissions=await self.roles.permissions_of_roles(actor.outside_roles))
        if actor.impersonator_id is not None or not rights.may(needed.name):
            raise PermissionDenied
        return rights

    async def _check_hand(self, actor: Actor, user_id: UserId, name: str) -> None:
        """Raises PermissionDenied, OwnAccount, RoleNotFound, BeyondOwnPermissions."""
        own = await self._standing(actor, USERS_ROLES)
        if actor.user_id == user_id:
            raise OwnAccount("Nobody changes their own roles.")
        self._check_reach(own, name, await self.roles.permissions_of((await self._named(name)).id))

    def _check_reach(self, own: Rights, name: str, permissions: Collection[str]) -> None:
        """Raises BeyondOwnPermissions."""
        if own.is_superuser:
            return
        if name in (SUPERUSER, ADMIN) or not POWERS.isdisjoint(permissions):
            raise BeyondOwnPermissions("Only a superuser makes and unmakes those who can make others.")
        if lacking := sorted(set(permissions) - own.permissions):
            raise BeyondOwnPermissions(f"You do not hold {', '.join(lacking)} yourself.")

    def _declared(self, permissions: Collection[str]) -> frozenset[str]:
        """Raises PermissionUnknown."""
        if unknown := sorted(set(permissions) - self.catalogue.keys()):
            raise PermissionUnknown(f"There is no permission {', '.join(unknown)}.")
        return frozenset(permissions)

    async def _check_another_superuser(self, user_id: UserId) -> None:
        if not await self.roles.a_superuser_besides(user_id):
            raise LastSuperuser

    async def _named(self, name: str) -> Role:
        role = await self.roles.named(name)
        if role is None:
            raise RoleNotFound
        return role

    async def _person(self, user_id: UserId) -> User:
        """Locked. Raises UserNotFound."""
        user = await self.users.lock(user_id)
        if user is None or user.status is UserStatus.PENDING:
            raise UserNotFound
        return user

    async def _grant_of(self, user_id: UserId, name: str) -> GrantView | None:
        held = (await self.roles.grants_of([user_id], self.clock.now()))[user_id]
        return next((each for each in held if each.role == name), None)

    async def _view(self, name: str) -> RoleView:
        return next(each for each in await self.roles.views(self.clock.now()) if each.name == name)

    async def _settle(self, user_ids: Collection[UserId]) -> None:
        """What these people may do has changed. Whoever may no longer impersonate is no longer somebody else."""
        if not user_ids:
            return
        settled = await self.roles.settle(user_ids, self.clock.now())
        await self._end_impersonations(await self.roles.impersonators(user_ids))

        async def tell() -> None:
            for standing in settled:
                self.stale.outdate(*standing)

        self.db.after_commit(tell)

    async def _tell_changed(self, lost: Collection[str] = ()) -> None:
        """What a role allows has changed, without `lost` from now on. Who has it by an outside issuer's word is written nowhere: of all

        who are somebody else just now only those stay it who may by a grant of their own.
        """
        await self.roles.tell_changed()
        if USERS_IMPERSONATE.name in lost:
            await self._end_impersonations(await self.roles.impersonators())
        self.db.after_commit(self.watch.changed)

    async def _end_impersonations(self, impersonators: Collection[UserId]) -> None:
        """Of those of them who may not by a grant."""
        now = self.clock.now()
        for user_id in impersonators:
            if not (await self.roles.rights_of(user_id, now)).may(USERS_IMPERSONATE.name):
                ids = await self.acting.lock_impersonations([user_id])
                (await self.sessions.end_these(ids, EndReason.IMPERSONATION_OVER)).unwrap()

    async def _record(
        self,
        actor: Actor | None,
        what: str,
        role: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        user_id: UserId | None = None,
    ) -> None:
        entry = AuditEntry(
            action=f"identity.{what}",
            subject_type="role" if user_id is None else "user",
            subject_id=role if user_id is None else str(user_id),
            actor=actor,
            user_id=user_id,
            before=before,
            after=after,
        )
        (await self.audit.record(entry)).unwrap()


def _told(role: Role, permissions: Collection[str]) -> dict[str, Any]:
    return {"name": role.name, "description": role.description, "permissions": sorted(permissions)}


def _held(grant: GrantView | None) -> dict[str, Any] | None:
    return {"role": grant.role, "expires_at": grant.expires_at} if grant is not None else None
