"""The way in to the staff site. The way out, and all the rest of it, lies behind the gate (`site`)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, MediaType, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from msgspec import Meta

from plaza.admin.errors import ForeignForm
from plaza.admin.schemas import AdminSettings
from plaza.admin.service import VisitService
from plaza.admin.site.pages import (
    BASE,
    COOKIE,
    HEADERS,
    cookie_header,
    is_own_origin,
    local,
    origin_of,
    page,
    problem_page,
)
from plaza.core.errors import InternalError, MfaEnrolmentRequired, RateLimited, Unauthenticated
from plaza.core.http import ANONYMOUS, NOT_IDEMPOTENT, Client, limited
from plaza.core.http.limits import UNLIMITED
from plaza.core.http.problems import answer_problem, as_domain_error, headers_of
from plaza.core.result import DomainError, Failure
from plaza.core.settings import PlazaSettings
from plaza.identity import CodeInvalid, LoginInput, MfaRequired, MfaVerifyInput, Origin

# Of an authenticator app's code; anything else is taken for a recovery code.
_CODE_LENGTH = 6
# Holds what the second step needs to know of the first, until the browser is closed or the step is taken.
STEP_COOKIE, STEP_PATH = "plaza_admin_step", f"{BASE}/login"

# The same budgets as those of the API's own ways in.
_LOGIN = {**ANONYMOUS, **NOT_IDEMPOTENT, **limited("login", "10/minute", by="ip", credential=True)}
_TOKEN = {**ANONYMOUS, **NOT_IDEMPOTENT, **limited("token", "10/minute", by="ip", credential=True)}


Text = Annotated[str, Meta(pattern=r"^[^\x00]*$")]  # PostgreSQL cannot store U+0000


class LoginForm(msgspec.Struct, frozen=True):
    identifier: Text = ""
    password: Text = ""
    next: Text = ""


class CodeForm(msgspec.Struct, frozen=True):
    code: Text = ""
    next: Text = ""


def answer_page(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Whatever keeps a form from being looked at at all."""
    told = as_domain_error(error)
    if isinstance(told, InternalError):
        return answer_problem(request, error)
    body, headers = problem_page(told)
    return Response(body, status_code=told.status, media_type=MediaType.HTML, headers=headers)


class EntranceController(Controller):
    path = BASE
    include_in_schema = False
    exception_handlers = {Exception: answer_page}

    visits: VisitService
    settings: AdminSettings
    plaza: PlazaSettings

    @get("/login", opt={**ANONYMOUS, **UNLIMITED})
    async def login_page(self, next: FromQuery[str] = "") -> Response[str]:
        return _login_page(next)

    @post("/login", status_code=303, opt=_LOGIN)
    async def login(
        self, request: Request[Any, Any, Any], data: URLEncodedBody[LoginForm], client: NamedDependency[Client]
    ) -> Response[str]:
        self._refuse_foreign(request)
        given = LoginInput(identifier=data.identifier, password=data.password)
        result = await self.visits.enter(given, Origin(ip=client.ip, user_agent=client.user_agent))
        if not isinstance(result, Failure):
            return self._entered(result.value, data.next)
        if isinstance(result.error, MfaRequired):
            step = self._cookie(str(result.error.members["mfa_token"]), STEP_COOKIE, STEP_PATH)
            return _code_page(data.next, headers={"Set-Cookie": step})
        return _login_page(data.next, data.identifier, result.error)

    @post("/login/code", status_code=303, opt=_TOKEN)
    async def code(
        self, request: Request[Any, Any, Any], data: URLEncodedBody[CodeForm], client: NamedDependency[Client]
    ) -> Response[str]:
        self._refuse_foreign(request)
        token = request.cookies.get(STEP_COOKIE)
        if token is None:
            return _login_page(data.next, refused=Unauthenticated("Begin with your password."))
        code = "".join(data.code.split())
        kind = "code" if code.isdigit() and len(code) == _CODE_LENGTH else "recovery_code"
        given = MfaVerifyInput(mfa_token=token, **{kind: code})
        result = await self.visits.confirm(given, Origin(ip=client.ip, user_agent=client.user_agent))
        if not isinstance(result, Failure):
            return self._entered(result.value, data.next)
        if isinstance(result.error, CodeInvalid | RateLimited):
            return _code_page(data.next, result.error)
        return _login_page(data.next, refused=result.error)

    def _entered(self, cookie: str, next: str) -> Response[str]:
        response = Response("", status_code=303, headers={"Location": local(next), **HEADERS})
        response.headers["Set-Cookie"] = self._cookie(cookie, COOKIE, BASE)
        return response

    def _cookie(self, value: str, name: str, path: str) -> str:
        return cookie_header(value, None, self.plaza.base_url.startswith("https://"), name=name, path=path)

    def _refuse_foreign(self, request: Request[Any, Any, Any]) -> None:
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        if not is_own_origin(request.headers.get("origin", ""), own, origin_of(self.plaza.base_url)):
            raise ForeignForm


def _login_page(next: str, identifier: str = "", refused: DomainError | None = None) -> Response[str]:
    setup = isinstance(refused, MfaEnrolmentRequired)
    body = page("login.html", title="Log in", next=next, identifier=identifier, refused=refused, setup=setup)
    return _page(body, refused)


def _code_page(next: str, refused: DomainError | None = None, headers: dict[str, str] | None = None) -> Response[str]:
    return _page(page("code.html", title="Second step", next=next, refused=refused), refused, headers)


def _page(body: str, refused: DomainError | None, headers: dict[str, str] | None = None) -> Response[str]:
    status = refused.status if refused is not None else 200
    told = {name: value for name, value in headers_of(refused).items() if name == "Retry-After"} if refused else {}
    return Response(body, status_code=status, media_type=MediaType.HTML, headers={**HEADERS, **told, **(headers or {})})
