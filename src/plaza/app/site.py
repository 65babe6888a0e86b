"""What a browser sees: the front page, its assets, the API's own documentation."""

from __future__ import annotations

import hashlib
import html
import mimetypes
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Controller, Request, Response, get
from litestar.params import FromPath

from plaza.app.demo import DEMO_PASSWORD, DEMO_PEOPLE
from plaza.core.errors import NotFound
from plaza.core.http import ANONYMOUS
from plaza.core.http.limits import UNLIMITED
from plaza.core.result import DomainError

_HERE = Path(__file__).parent
_FOLDERS = (_HERE / "pages", _HERE / "vendor" / "swagger-ui")
_SERVED = frozenset((".css", ".js", ".svg", ".html", ".png", ".webmanifest"))

# Swagger UI writes style attributes and shows data: images.
_SCHEMA_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"


class Asset(msgspec.Struct, frozen=True):
    body: bytes
    media_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """Read once: nothing outside of the shipped folders can be named by a path. Pages are put together from `pages/fragments`."""
    found = {}
    templates = Environment(loader=FileSystemLoader(_HERE / "pages"), undefined=StrictUndefined, autoescape=True)
    for folder in _FOLDERS:
        for file in sorted(folder.iterdir()):
            if file.suffix in _SERVED:
                is_page = file.suffix == ".html"
                body = templates.get_template(file.name).render().encode() if is_page else file.read_bytes()
                kind = (
                    "text/javascript"
                    if file.suffix == ".js"
                    else mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                )
                found[file.name] = Asset(body, kind, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
    return found


def _answer(request: Request[Any, Any, Any], name: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    asset = assets().get(name)
    if asset is None:
        raise NotFound
    headers = {"ETag": asset.etag, "Cache-Control": "no-cache", **(headers or {})}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(b"", status_code=304, headers=headers, media_type=asset.media_type)
    return Response(asset.body, headers=headers, media_type=asset.media_type)


class SiteController(Controller):
    include_in_schema = False
    opt = {**ANONYMOUS, **UNLIMITED}

    @get("/")
    async def index(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        return _answer(request, "index.html")

    @get("/account")
    async def account(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        return _answer(request, "account.html")

    @get("/assets/{name:str}")
    async def asset(self, request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        return _answer(request, name)

    @get("/schema")
    async def schema(self) -> Response[str]:
        page = _page(
            "Plaza API",
            '<div id="api"></div><script src="/assets/swagger-ui-bundle.js"></script><script src="/assets/start.js"></script>',
            '<link rel="stylesheet" href="/assets/swagger-ui.css">',
        )
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": _SCHEMA_POLICY})

    @get("/docs/errors")
    async def errors(self) -> Response[str]:
        """Where the `type` of a problem document leads."""
        rows = "".join(
            f'<tr id="{code.lower()}"><td><code>{code}</code></td><td>{error.status}</td><td>{html.escape(error.summary())}</td></tr>'
            for code, error in sorted(DomainError.by_code.items())
        )
        head = '<tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">Meaning</th></tr>'
        body = (
            '<main class="errors"><h1>Error codes</h1><p class="hint">The <code>code</code> of a problem document, at <a href="/schema">'
            f"the API</a> and in frames of sockets.</p><table><thead>{head}</thead><tbody>{rows}</tbody></table></main>"
        )
        styles = '<link rel="stylesheet" href="/assets/theme.css"><link rel="stylesheet" href="/assets/errors.css">'
        return Response(_page("Plaza: error codes", body, styles), media_type="text/html")


class DemoPerson(msgspec.Struct, frozen=True):
    email: str
    display_name: str


class Demo(msgspec.Struct, frozen=True):
    people: list[DemoPerson]
    password: str


class DevelopmentController(Controller):
    """Absent in production."""

    include_in_schema = False
    opt = {**ANONYMOUS, **UNLIMITED}

    @get("/dev/demo")
    async def demo(self) -> Demo:
        return Demo([DemoPerson(*each) for each in DEMO_PEOPLE], DEMO_PASSWORD)


def _page(title: str, body: str, head: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">'
        f"<title>{title}</title>{head}</head><body>{body}</body></html>"
    )
