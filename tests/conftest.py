from __future__ import annotations

import os

import pytest

from tests.support.clock import ManualClock


@pytest.fixture(scope="session")
def database_url() -> str:
    return os.environ["DATABASE_URL"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
