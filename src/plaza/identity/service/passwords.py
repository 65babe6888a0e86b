"""Which passwords are accepted, and how they are hashed without stopping anything else."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib import resources
from typing import TypeVar

from argon2 import PasswordHasher as Argon2
from argon2 import Type
from argon2.exceptions import InvalidHashError, VerificationError

from plaza.core.errors import RateLimited
from plaza.identity.errors import PasswordTooCommon, PasswordTooWeak
from plaza.identity.schemas import IdentitySettings

T = TypeVar("T")

MIN_LENGTH, MAX_LENGTH = 8, 128
# Refused anywhere in a password; a shorter name ("Eve") only where it stands alone, because it hides in too many words.
_WHOLE_NAME, _WORD_OF_NAME = 4, 5
# In whatever form: a character of a password may be written as several.
_LONGEST = 4 * MAX_LENGTH
# For each thread: while one password is hashed, whose is next is looked up, and whose was last is let in.
_UNDER_WAY = 3
# The last digits of a phone number: people write it with and without the country's code.
_OF_NUMBER = 8
_WORDS = re.compile(r"[^\W_]+")


@cache
def common_passwords() -> frozenset[str]:
    """10,000 of the most used ones that are long enough to pass otherwise; their licences lie beside the list."""
    return frozenset(
        (resources.files("plaza.identity") / "data" / "common_passwords.txt").read_text("ascii").splitlines()
    )


def canonical(password: str) -> str:
    """One keyboard composes characters, another does not: the password is the same (NFKC).

    What cannot be a password stays as it is: a megabyte of combining marks takes minutes to put in order.
    """
    if len(password) > _LONGEST:
        return password
    return unicodedata.normalize("NFKC", password)


def check_password(
    password: str,
    *,
    words: Sequence[str],
    email: str | None,
    phone: str | None = None,
    names: Sequence[str | None] = (),
) -> None:
    """`password` is canonical; `words` are what every guesser here tries first. Raises PasswordTooWeak and PasswordTooCommon."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise PasswordTooWeak
    folded = password.casefold()
    if folded in common_passwords():
        raise PasswordTooCommon
    local = email.rpartition("@")[0] if email else ""
    number = phone[-_OF_NUMBER:] if phone else ""
    if any(_holds(folded, own.casefold()) for own in (email, local, number, *names, *words) if own):
        raise PasswordTooWeak


def _holds(password: str, name: str) -> bool:
    if len(name) >= _WHOLE_NAME:
        return name in password or any(len(word) >= _WORD_OF_NAME and word in password for word in _WORDS.findall(name))
    alone = rf"(?<![^\W\d_]){re.escape(name)}(?![^\W\d_])"
    return len(name) == _WHOLE_NAME - 1 and re.search(alone, password) is not None


def _step_back() -> None:
    """On Linux, where each thread has a priority of its own: whatever else wakes up in this process goes first, and at once.

    A nice value alone lets a hash end its slice of time before another thread gets its turn: in a storm of logins that is most of what
    a GET waits for. The price: where all cores are busy with other things, logins wait (PLAZA_IDENTITY_HASH_YIELDS).
    """
    if sys.platform == "linux":
        with suppress(OSError):  # forbidden in some sandboxes
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


class PasswordHasher:
    """argon2id in a few threads. Whoever finds the queue full is turned away at once, so that a flood of logins costs nobody else.

    Requests to routes that are `behind` it take a place, then their turn; what is hashed elsewhere counts towards the queue of the
    threads alone.
    """

    def __init__(self, settings: IdentitySettings) -> None:
        # Set explicitly (OWASP's second choice): the library's defaults take ten times as long.
        self._argon2 = Argon2(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
        yields = _step_back if settings.hash_yields else None
        self._threads = ThreadPoolExecutor(settings.hash_threads, thread_name_prefix="argon2", initializer=yields)
        self._free = self._places = settings.hash_threads + settings.hash_queue
        self._turns = asyncio.Semaphore(settings.hash_threads * _UNDER_WAY)
        self._dummy = self._argon2.hash(secrets.token_urlsafe())

    def refuse_if_full(self) -> None:
        """Before anything is counted against somebody whose password will not be looked at. Raises RateLimited."""
        if self._free <= 0:
            raise RateLimited("Too many passwords are being checked right now.", retry_after=1)

    def check_place(self) -> None:
        """Raises RateLimited."""
        self.refuse_if_full()
        if self._places <= 0:
            raise RateLimited("Too many logins wait already.", retry_after=1)

    @contextmanager
    def place(self) -> Iterator[None]:
        """For a whole request that will have a password looked at: what it does before and after belongs to the queue, too."""
        self.check_place()
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1

    def turn(self) -> asyncio.Semaphore:
        """In the order in which they came; as many at a time as keep the threads busy, unless the rest takes twice as long as a hash."""
        return self._turns

    async def hash(self, password: str) -> str:
        """Raises RateLimited."""
        return await self._in_thread(lambda: self._argon2.hash(password))

    async def matches(self, password: str, hashes: Sequence[str | None]) -> list[bool]:
        """Which of `hashes` are this password's; None takes as long as a wrong one. Raises RateLimited."""
        return await self._in_thread(lambda: [self._match(password, each) for each in hashes])

    def is_outdated(self, hash: str) -> bool:
        return self._argon2.check_needs_rehash(hash)

    def _match(self, password: str, hash: str | None) -> bool:
        try:
            self._argon2.verify(hash or self._dummy, password)
        except (VerificationError, InvalidHashError):
            return False
        return hash is not None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self.refuse_if_full()
        self._free -= 1
        loop = asyncio.get_running_loop()
        started = self._threads.submit(work)
        # The place is free when the thread is, which a cancelled caller does not change.
        started.add_done_callback(lambda _: loop.call_soon_threadsafe(self._give_back))
        return await asyncio.wrap_future(started)

    def _give_back(self) -> None:
        self._free += 1
