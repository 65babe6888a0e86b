"""Real servers for every test: PostgreSQL and Valkey from the wheels, or those that DATABASE_URL and REDIS_URL name.

The controlling process starts PostgreSQL once and brings a template database to head by the migrations; every worker gets a database
of its own from it, and a Valkey of its own, because pub/sub knows no database numbers.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import ExitStack

import httpx
import pytest

from tests.support.clock import ManualClock
from tests.support.hashing import make_cheap
from tests.support.servers import TestServers, prepare_template
from tests.support.stage import Stage

_stack = ExitStack()
_servers = pytest.StashKey[TestServers]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        prepare_template(_stack)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Half as many again as there are processors: a third of a worker's time is waiting for servers and browsers."""
    return max(2, (os.cpu_count() or 2) * 3 // 2)


def pytest_sessionstart(session: pytest.Session) -> None:
    is_xdist_controller = getattr(session.config.option, "dist", "no") != "no" and not hasattr(
        session.config, "workerinput"
    )
    if not is_xdist_controller and not session.config.option.collectonly:
        worker = getattr(session.config, "workerinput", {}).get("workerid", "main")
        session.config.stash[_servers] = _stack.enter_context(TestServers(worker))


def pytest_unconfigure(config: pytest.Config) -> None:
    _stack.close()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> TestServers:
    """This worker's own database and Valkey."""
    return pytestconfig.stash[_servers]


@pytest.fixture(scope="session")
def database_url(servers: TestServers) -> str:
    return servers.database_url


@pytest.fixture(scope="session")
def redis_url(servers: TestServers) -> str:
    return servers.redis_url


@pytest.fixture(scope="session")
async def stage(servers: TestServers) -> AsyncIterator[Stage]:
    """The whole program, once per worker: `plaza` hands it out clean."""
    async with Stage(servers.database_url, servers.redis_url) as stage:
        yield stage


@pytest.fixture
async def plaza(stage: Stage) -> AsyncIterator[Stage]:
    """API and worker over empty tables, business time standing still."""
    await stage.reset()
    yield stage
    await stage.close_clients()
    stage.raise_internal_errors()


@pytest.fixture
async def client(plaza: Stage) -> httpx.AsyncClient:
    """Nobody in particular, over a real connection."""
    return plaza.client()


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> ManualClock:
    """The stage's clock where there is a stage."""
    if "plaza" in request.fixturenames:
        stage: Stage = request.getfixturevalue("plaza")
        return stage.clock
    return ManualClock()


os.environ.pop("PLAZA_ENV", None)
make_cheap()
