"""An OpenID provider and a GitHub on loopback, spoken to over real connections; each lies on demand."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from html import escape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import uvicorn
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from plaza.core.clock import Clock

CLIENT_ID, CLIENT_SECRET = "plaza-web", "the client's secret / with + signs"
NATIVE_ID = "com.example.plaza"

Answer = tuple[int, dict[str, str], bytes]


class Person:
    """Who is signed in at the provider at present."""

    def __init__(self, sub: str = "248289761001", email: str | None = "ada@example.com", **claims: Any) -> None:
        self.sub, self.email = sub, email
        self.claims = {"email_verified": True, "name": "Ada Lovelace", **claims}


class Provider:
    """`id_claims` and `id_header` change what is signed, `description` what discovery says, `callback` what the browser brings back;

    `instead` answers a path in place of the truth.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.port = 0
        self.person = Person()
        self.key: Key = ECKey.generate_key("P-256", private=True, auto_kid=True)
        self.published: list[Key] = [self.key]
        self.asked: list[dict[str, str]] = []  # what /authorize was given
        self.requests: Counter[str] = Counter()
        self.given: dict[str, str] = {}  # what /token was given last
        self.description: dict[str, Any] = {}
        self.id_claims: dict[str, Any] = {}
        self.id_header: dict[str, Any] = {}
        self.instead: dict[str, Callable[[], Answer]] = {}
        self.callback: dict[str, str | None] = {}  # what changes in the browser's way back
        self.posts_forms = False  # where that is asked for, as Apple does
        self.userinfo: dict[str, Any] | None = None
        self.github_emails: list[dict[str, Any]] = [{"email": "ada@example.com", "primary": True, "verified": True}]
        self._codes: dict[str, dict[str, Any]] = {}

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None, key: Key | None = None) -> str:
        key = key or self.key
        algorithm = {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}[key.key_type]
        given = {"alg": algorithm, "kid": key.kid, **(header or {})}
        header_ = {name: value for name, value in given.items() if value is not None}
        registry = jws.JWSRegistry(algorithms=[header_["alg"]], strict_check_header=False)
        return jws.serialize_compact(header_, json.dumps(claims), key, registry=registry)

    def id_token(self, *, audience: str = NATIVE_ID, nonce: str | None = None, **claims: Any) -> str:
        now = int(self.clock.now().timestamp())
        given = {
            "iss": self.issuer,
            "aud": audience,
            "sub": self.person.sub,
            "iat": now,
            "exp": now + 600,
            "nonce": nonce,
            "email": self.person.email,
            **self.person.claims,
            **claims,
            **self.id_claims,
        }
        return self.sign({name: value for name, value in given.items() if value is not None}, self.id_header)

    # Its routes

    def answer(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: str) -> Answer:
        self.requests[path] += 1
        if path in self.instead:
            return self.instead[path]()
        form = dict(parse_qsl(body))
        match path:
            case "/.well-known/openid-configuration":
                return reply({**self._description(), **self.description})
            case "/authorize" | "/login/oauth/authorize":
                return self._authorize(query, None if path.startswith("/login") else self.issuer)
            case "/token" | "/login/oauth/access_token":
                return self._token(form, headers)
            case "/keys":
                return reply({"keys": [key.as_dict(private=False) for key in self.published]})
            case "/userinfo" if self.userinfo is not None:
                return reply(self.userinfo)
            case "/user":
                return reply({"id": int(self.person.sub), "login": "ada", "name": self.person.claims["name"]})
            case "/user/emails":
                return reply(self.github_emails)
        return 404, {}, b""

    def _description(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def _authorize(self, query: dict[str, str], iss: str | None) -> Answer:
        self.asked.append(query)
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        back = {"code": code, "state": query["state"], "iss": iss, **self.callback}
        back_given = {name: value for name, value in back.items() if value is not None}
        if self.posts_forms and query.get("response_mode") == "form_post":
            return 200, {"content-type": "text/html"}, posted_form(query["redirect_uri"], back_given)
        return 302, {"location": f"{query['redirect_uri']}?{urlencode(back_given)}"}, b""

    def _token(self, form: dict[str, str], headers: dict[str, str]) -> Answer:
        self.given = {**form, "authorization": headers.get("authorization", "")}
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return reply({"error": "invalid_grant"}, 400)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return reply({"error": "invalid_grant"}, 400)
        if form.get("client_id", asked["client_id"]) != asked["client_id"]:
            return reply({"error": "invalid_client"}, 401)
        id_token = self.id_token(audience=asked["client_id"], nonce=asked.get("nonce"))
        token = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 600}
        return reply({**token, "id_token": id_token})

    # Its server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, extra, content = self.answer(scope["method"], scope["path"], query, headers, body.decode())
        listed = [(name.encode(), value.encode()) for name, value in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": listed})
        await send({"type": "http.response.body", "body": content})


def encoded(value: Any) -> str:
    """A segment of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def reply(value: Any, status: int = 200) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(value).encode()


def posted_form(url: str, fields: dict[str, str]) -> bytes:
    """A page that posts them at once."""
    inputs = "".join(f'<input name="{name}" value="{escape(value)}">' for name, value in fields.items())
    form = f'<form method="post" action="{escape(url)}">{inputs}</form>'
    return f"<!doctype html><body>{form}<script>document.forms[0].submit()</script></body>".encode()


def rsa_key(bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, private=True, auto_kid=True)


def ed25519_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", private=True, auto_kid=True)


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


class _Server(uvicorn.Server):
    """Leaves the signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


# Each provider takes the address of one that is gone: settings that name it are those of earlier tests, and so are routes (`callers`).
_addresses: list[socket.socket] = []


def _bound() -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    return listening


@asynccontextmanager
async def serving(clock: Clock) -> AsyncIterator[Provider]:
    provider = Provider(clock)
    address = _addresses.pop() if _addresses else _bound()
    provider.port = address.getsockname()[1]
    server = _Server(uvicorn.Config(provider, log_config=None, lifespan="off", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[address.dup()]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        await task
        _addresses.append(address)
