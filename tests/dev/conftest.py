"""A folder for a clone of its own: in memory, where fsync waits for nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plaza.dev.embedded import throwaway_folder


@pytest.fixture
def root() -> Iterator[Path]:
    with throwaway_folder() as folder:
        yield folder
