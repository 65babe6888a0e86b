"""Pages that need neither a visit nor the library: the way in, and what went wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader

from plaza.core.correlation import correlation_id
from plaza.core.http.problems import headers_of
from plaza.core.result import DomainError

BASE = "/admin"
COOKIE = "plaza_admin"
HTML = "text/html; charset=utf-8"
# No script but one file of our own, no style but ours: nothing inline, nothing from elsewhere, nobody's frame.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

_environment = Environment(loader=PackageLoader("plaza.admin"), autoescape=True)


def page(name: str, **values: Any) -> str:
    return _environment.get_template(name).render(base=BASE, **values)


def problem_page(error: DomainError) -> tuple[str, dict[str, str]]:
    """With the headers that the refusal asks for."""
    body = page("problem.html", error=error, title=HTTPStatus(error.status).phrase, correlation_id=correlation_id())
    headers = {name: value for name, value in headers_of(error).items() if name != "WWW-Authenticate"}
    return body, {**HEADERS, **headers}


def local(address: str) -> str:
    """Where to go after the way in: only to a place on the site, given as a path."""
    inside = address.startswith(f"{BASE}/") and "//" not in address and "\\" not in address and address.isprintable()
    return address if inside else f"{BASE}/"


def is_own_origin(given: str, *own: str) -> bool:
    """Whether a page of this very site sent a form: browsers name the origin of every POST. Behind a proxy that hides the name by

    which Plaza was called, PLAZA_PUBLIC_URL tells it.
    """
    return given in own


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def cookie_header(value: str, seconds: int | None, is_https: bool, *, name: str = COOKIE, path: str = BASE) -> str:
    """Of a Set-Cookie. `seconds` None lasts as long as the browser, 0 removes it."""
    age = "" if seconds is None else f"; Max-Age={seconds}"
    return f"{name}={value}; Path={path}; HttpOnly; SameSite=Strict{age}" + ("; Secure" if is_https else "")
