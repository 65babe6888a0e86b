"""token/refresh against its bare SQL: the same statement in a transaction of its own, over asyncpg.

Each connection goes on with the token of its last answer, from an address of its own each time (X-Forwarded-For, as a trusted proxy tells
it), so that the limit per address counts and does not refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import count

import httpx
import msgspec

from bench.environment import Environment, Group
from bench.hot_paths import Result, alternate
from bench.load import Chain, request
from bench.logins import PASSWORD, from_address, set_password

_TOKEN = b'"refresh_token":"'
_turns = count()


class Tokens(Chain):
    """A session's refresh tokens, one after the other."""

    def __init__(self, path: str, token: str) -> None:
        self.path, self.token = path, token

    def __call__(self) -> bytes:
        body = msgspec.json.encode({"refresh_token": self.token})
        return from_address(next(_turns), request("POST", self.path, body))

    def take(self, answer: bytes) -> None:
        start = answer.find(_TOKEN)
        if start < 0:
            raise RuntimeError(f"an answer without a refresh token: {answer!r}")
        self.token = answer[start + len(_TOKEN) :].split(b'"', 1)[0].decode()


def refresh(environment: Environment, group: Group, rounds: int, seconds: float) -> Result:
    people = [person.email for person in group.people]
    set_password(environment.database_url, people)

    def sessions(path: str) -> Callable[[int], Tokens]:
        @cache
        def of(connection: int) -> Tokens:
            return Tokens(path, log_in(environment.api_port, people[connection % len(people)]))

        return of

    name = "refresh: POST token/refresh"
    return alternate(name, environment, sessions("/api/v1/auth/token/refresh"), sessions("/refresh"), rounds, seconds)


def log_in(port: int, email: str) -> str:
    """A new session's refresh token."""
    headers = {"X-Forwarded-For": f"10.99.0.{next(_turns) % 250}"}
    body = {"identifier": email, "password": PASSWORD}
    answer = httpx.post(f"http://127.0.0.1:{port}/api/v1/auth/login", json=body, headers=headers, timeout=30)
    token: str = answer.raise_for_status().json()["refresh_token"]
    return token
