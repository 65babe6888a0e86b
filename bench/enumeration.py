"""Whether anything tells a stranger who has an account: status, body, and the median of the time.

For each route an address that has an account and one that has none are asked about in turns, the order of the two drawn anew each time.
Limits are lifted, so that every sample does the work; no worker runs beside, so that no sample pays for another's mail.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.environment import Environment, Person
from bench.logins import PASSWORD, set_password
from plaza.core.db.listener import connect_arguments
from plaza.core.ids import uuid7

LIFTED = {"PLAZA_RATE_LIMIT_ENABLED": "false"}
WITHIN = 0.1
HEAD = "| route | known | unknown | ratio | status and body |\n|---|---|---|---|---|"
AUTH = "/api/v1/auth"
# Random in every answer.
_RANDOM = ("challenge", "challenge_id")

Body = dict[str, Any]


@dataclass(frozen=True)
class Somebody:
    email: str
    phone: str
    username: str


@dataclass(frozen=True)
class Arms:
    """`times` in seconds and `answers` of the known and of the unknown."""

    name: str
    times: tuple[list[float], list[float]]
    answers: tuple[set[str], set[str]]

    @property
    def ratio(self) -> float:
        return statistics.median(self.times[0]) / statistics.median(self.times[1])

    @property
    def holds(self) -> bool:
        return abs(self.ratio - 1) <= WITHIN and self.answers[0] == self.answers[1]

    def row(self) -> str:
        known, unknown = (statistics.median(each) * 1000 for each in self.times)
        same = "the same" if self.answers[0] == self.answers[1] else "**differ**"
        return f"| {self.name} | {known:.2f} ms | {unknown:.2f} ms | {self.ratio:.3f} | {same} |"


class Asking:
    def __init__(self, port: int) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(self, path: str, body: Body) -> tuple[str, bytes]:
        """What a stranger can tell answers apart by, and the answer."""
        self.line.request("POST", AUTH + path, msgspec.json.encode(body), {"Content-Type": "application/json"})
        answer = self.line.getresponse()
        data = answer.read()
        return f"{answer.status} {_shown(msgspec.json.decode(data))}", data

    def challenge(self, somebody: Somebody) -> str:
        _, data = self.post("/biometric/challenge", {"email": somebody.email})
        return str(msgspec.json.decode(data)["challenge"])


def enumeration(environment: Environment, samples: int) -> list[Arms]:
    people = environment.group(200, "Known").people
    known = [Somebody(person.email, f"+1201555{n:04d}", f"known-{n:04d}") for n, person in enumerate(people)]
    set_password(environment.database_url, [each.email for each in known])
    asyncio.run(_give_names_and_keys(environment.database_url, people, known))
    asking = Asking(environment.api_port)
    signature = base64.b64encode(_key().sign(b"something else", ec.ECDSA(SHA256()))).decode()

    def device_login(somebody: Somebody) -> Body:
        return {"email": somebody.email, "challenge": asking.challenge(somebody), "signature": signature}

    routes: dict[str, tuple[str, Callable[[Somebody], Body]]] = {
        "login, by e-mail": ("/login", lambda s: {"identifier": s.email, "password": "not the password"}),
        "login, by phone": ("/login", lambda s: {"identifier": s.phone, "password": "not the password"}),
        "login, by username": ("/login", lambda s: {"identifier": s.username, "password": "not the password"}),
        "registration, by e-mail": ("/registration", lambda s: {"email": s.email, "password": PASSWORD}),
        "registration, by phone": ("/registration", lambda s: {"phone": s.phone, "password": PASSWORD}),
        "a new code by mail": ("/resend-email", lambda s: {"email": s.email}),
        "verification of a code": ("/verify-email", lambda s: {"email": s.email, "code": "000000"}),
        "password reset": ("/password/reset", lambda s: {"email": s.email}),
        "magic link": ("/magic-link", lambda s: {"email": s.email}),
        "code by phone": ("/phone/send-code", lambda s: {"phone": s.phone}),
        "verification of a phone's code": ("/phone/verify-code", lambda s: {"phone": s.phone, "code": "000000"}),
        "device key, challenge": ("/biometric/challenge", lambda s: {"email": s.email}),
        "device key, login": ("/biometric/authenticate", device_login),
        "passkey options, which name nobody": ("/passkeys/authentication-options", lambda s: {}),
    }
    return [_arms(name, asking, path, made, known, samples) for name, (path, made) in routes.items()]


def _arms(
    name: str, asking: Asking, path: str, made: Callable[[Somebody], Body], known: list[Somebody], samples: int
) -> Arms:
    times: tuple[list[float], list[float]] = ([], [])
    answers: tuple[set[str], set[str]] = (set(), set())
    for n in range(samples + 5):
        pair = (known[n % len(known)], _stranger(n))
        for arm in random.sample((0, 1), 2):
            body = made(pair[arm])
            begun = time.perf_counter()
            told, _ = asking.post(path, body)
            took = time.perf_counter() - begun
            answers[arm].add(told)
            if n >= 5:  # what is not warm yet
                times[arm].append(took)
    return Arms(name, times, answers)


def _stranger(n: int) -> Somebody:
    return Somebody(f"{uuid4().hex[:12]}@example.com", f"+1201556{n:04d}", f"stray-{n:04d}")


def _shown(body: Body) -> str:
    """Without what is random in every answer, but with its length."""
    body.pop("correlation_id", None)
    flat = {**body, **body.pop("options", {})}
    return str(
        {name: len(str(value)) if name in _RANDOM else value for name, value in flat.items() if name != "options"}
    )


async def _give_names_and_keys(database_url: str, people: list[Person], known: list[Somebody]) -> None:
    connection = await asyncpg.connect(**connect_arguments(database_url))
    phones = "update identity_user set phone = $2, phone_verified_at = now() where email = $1"
    keys = """insert into identity_device_key (id, user_id, device_name, public_key, created_at, version)
        values ($1, $2, 'Phone', $3, now(), 1)"""
    try:
        await connection.executemany(phones, [(each.email, each.phone) for each in known])
        await connection.executemany(
            "update identity_profile set username = $2 where user_id = $1",
            [(person.id, each.username) for person, each in zip(people, known, strict=True)],
        )
        await connection.executemany(keys, [(uuid7(), each.id, _public(_key())) for each in people])
    finally:
        await connection.close()


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
