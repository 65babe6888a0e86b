"""starlette-admin over the views that contexts declare.

The library brings routing, lists and their parameters, fields, flash messages and the stylesheet. Only its reading routes are kept: its
own create, edit, delete, import, export and actions read and write past every service. Actions are ours (`act`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_admin import BaseAdmin, BaseField, BaseModelView, CustomView, RequestAction
from starlette_admin.flash import flash
from starlette_admin.routing import route
from starlette_admin.security.csrf import CSRFMiddleware
from starlette_admin.theme import BaseTheme, CoreIcons, IconSet

from plaza.admin import forms
from plaza.admin.repository import python_type, source
from plaza.admin.schemas import PAGE_SIZES, Question, Visit
from plaza.admin.service import BrowsingService, filters_of, options_of
from plaza.admin.site.pages import BASE
from plaza.core.actor import Actor
from plaza.core.admin import Action, AdminView, Column
from plaza.core.errors import NotFound
from plaza.core.result import Failure

_KEPT_ROUTES = frozenset(("static", "index", "list", "detail", "act"))
_CARRIED = "plaza.carried"
# What a staff member searches for is no business of the logs.
logging.getLogger("starlette_admin").setLevel(logging.WARNING)


def list_page(view: str, **query: str) -> str:
    return f"{BASE}/{view}/list" + (f"?{urlencode(query)}" if query else "")


def row_page(view: str, key: object) -> str:
    return f"{BASE}/{view}/detail?{urlencode({'pk': str(key)})}"


def action_page(view: str, action: str, key: object) -> str:
    return f"{BASE}/{view}/act?{urlencode({'name': action, 'pk': str(key)})}"


def heading(column: Column) -> str:
    return column.label or column.name.replace("_", " ").capitalize()


def search_hint(view: AdminView) -> str:
    known = {each.name: heading(each) for each in view.columns}
    return " or ".join([", ".join(known.get(name, name).lower() for name in view.search), view.key]).removeprefix(
        " or "
    )


def actor_of(request: Request) -> Actor:
    visit: Visit = request.state.visit
    return visit.actor


class Field(BaseField):
    """`column` is what was declared, `kind` how it is written: `time`, `flag`, `json`, `link`, `choice` or `text`."""

    def __init__(self, view: AdminView, column: Column) -> None:
        super().__init__(
            column.name,
            label=heading(column),
            exclude_from_list=not column.listed,
            orderable=False,
            searchable=False,
            list_template="fields/shown.html",
            detail_template="fields/shown.html",
            null_template="fields/nothing.html",
            empty_template="fields/nothing.html",
        )
        self.column, self.kind = column, _kind(view, column)

    async def serialize_value(self, request: Request, value: Any) -> Any:
        if isinstance(value, datetime):
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        if self.kind == "json":
            return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return value if isinstance(value, bool) else str(value)


class DeclaredView(BaseModelView):
    actions: Sequence[str] | None = ()
    row_actions: Sequence[str] | None = ()
    exporters = ()
    importers = ()
    page_size = PAGE_SIZES[0]
    page_size_options = PAGE_SIZES

    def __init__(self, view: AdminView, browsing: BrowsingService) -> None:
        self.view, self.browsing = view, browsing
        self.key, self.menu_label, self.display_name, self.icon = view.name, view.title, view.noun, view.icon
        self.pk_attr = view.key
        self.fields = [Field(view, each) for each in view.columns]
        super().__init__()

    def is_accessible(self, request: Request) -> bool:
        return actor_of(request).may(self.view.permission)

    def can_create(self, request: Request) -> bool:
        return False

    can_edit = can_delete = can_export = can_import = can_create

    async def find_all(
        self,
        request: Request,
        skip: int = 0,
        limit: int = 100,
        q: str | None = None,
        sorts: Any = None,
        filters: Any = None,
    ) -> Sequence[Any]:
        chosen = {name: value for name in filters_of(self.view) if (value := request.query_params.get(name))}
        question = Question(page=skip // limit + 1, size=limit, search=(q or "").strip(), filters=chosen)
        listing = (await self.browsing.page(actor_of(request), self.view.name, question)).unwrap()
        request.state.chosen, request.state.more = chosen, listing.more
        request.state.known = skip + len(listing.rows) + listing.more
        return listing.rows

    async def count(self, request: Request, q: str | None = None, filters: Any = None) -> int:
        """As many as are known of, with the page just read: counting all would read the whole table."""
        return cast(int, request.state.known)

    async def find_by_pk(self, request: Request, pk: Any) -> Any:
        return (await self.browsing.row(actor_of(request), self.view.name, pk)).unwrap()

    async def find_by_pks(self, request: Request, pks: list[Any]) -> Sequence[Any]:
        raise NotFound

    async def create(self, request: Request, data: Any) -> Any:
        raise NotFound

    async def edit(self, request: Request, pk: Any, data: Any) -> Any:
        raise NotFound

    async def delete(self, request: Request, pks: Any) -> None:
        raise NotFound

    async def get_serialized_pk_value(self, request: Request, obj: Any) -> str:
        return str(getattr(obj, self.view.key))


class Home(CustomView):
    def __init__(self) -> None:
        super().__init__(menu_label="Home", path="/", route_name="index", add_to_menu=False)

    @route("")
    async def index(self, request: Request) -> Response:
        assert self._admin is not None
        return self._admin._template_response(request, "home.html", {"title": "Staff"})


class Theme(BaseTheme):
    """Tabler in Plaza's colours, without scripts."""

    name = "plaza"
    package = "plaza.admin"

    def get_icon_set(self) -> IconSet:
        return CoreIcons()


class Library(BaseAdmin):
    """An ASGI application. Every request but for static files has a visit, which `gate` has seen."""

    def __init__(self, browsing: BrowsingService, secret: str) -> None:
        self.browsing = browsing
        super().__init__(
            title="Plaza staff",
            base_url=BASE,
            templates_dir=str(Path(__file__).parents[1] / "templates"),
            index_view=Home(),
            theme=Theme(),
            secret_key=secret,
            timezone_config=None,
        )
        for view in browsing.views.values():
            self.add_view(DeclaredView(view, browsing))
        self.templates.env.globals.update(
            base=BASE,
            menu=self._menu,
            related=self._related,
            offered=self._offered,
            options_of=options_of,
            heading=heading,
            search_hint=search_hint,
            list_page=list_page,
            row_page=row_page,
            action_page=action_page,
        )
        self.routes = [each for each in self.routes if getattr(each, "name", None) in _KEPT_ROUTES]
        # The gate checks tokens that belong to the visit; the library's would belong to nobody.
        self.middlewares = [each for each in self.middlewares if cast(object, each.cls) is not CSRFMiddleware]
        self.middlewares.insert(0, Middleware(_Carry))
        self.application = Starlette()
        self.mount_to(self.application)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        carried: list[Exception] = []
        await self.application({**scope, _CARRIED: carried}, receive, send)
        for error in carried:
            raise error

    @route("/{key}/act", methods=["GET", "POST"], name="act")
    async def act(self, request: Request) -> Response:
        """Asks first, and then does it."""
        name, action_name = request.path_params["key"], request.query_params.get("name", "")
        key, actor = request.query_params.get("pk", ""), actor_of(request)
        action, row = (await self.browsing.action(actor, name, action_name, key)).unwrap()
        form, refused = request.state.form, None
        if request.method == "POST":
            result = await self.browsing.act(actor, name, action_name, key, form)
            if not isinstance(result, Failure):
                flash(request, action.done, "success")
                is_gone = isinstance(await self.browsing.row(actor, name, key), Failure)
                return RedirectResponse(list_page(name) if is_gone else row_page(name, key), 303)
            refused = result.error
        request.state.action, view = RequestAction.LIST, self._find_view_by_key(name)
        values = {
            "title": action.label,
            "view": view,
            "obj": await view.serialize(row, request),
            "action": action,
            "key": key,
            "fields": forms.fields_of(action.given) if action.given else (),
            "form": form,
            "refused": refused,
        }
        return self._template_response(request, "act.html", values, status_code=refused.status if refused else 200)

    def _menu(self, request: Request) -> dict[str, list[AdminView]]:
        """By the names that they have in the menu: contexts come in the order of their layers, which says nothing to people."""
        groups: dict[str, list[AdminView]] = {}
        for view in sorted(self.browsing.visible_to(actor_of(request)), key=lambda each: (each.group, each.title)):
            groups.setdefault(view.group, []).append(view)
        return groups

    def _offered(self, request: Request, view: AdminView, row: Any) -> list[Action]:
        return self.browsing.offered(actor_of(request), view, row)

    def _related(self, request: Request, view: AdminView) -> list[Any]:
        return self.browsing.related_to(actor_of(request), view)


class _Carry:
    """Takes an exception past Starlette, which would answer it in its own words."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            scope[_CARRIED].append(error)


def _kind(view: AdminView, column: Column) -> str:
    if column.links_to:
        return "link"
    if column.choices:
        return "choice"
    kinds = {bool: "flag", datetime: "time", dict: "json"}
    return kinds.get(python_type(source(view).c[column.name]), "text")
