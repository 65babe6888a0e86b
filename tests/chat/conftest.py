from __future__ import annotations

import pytest

from tests.chat.builders import Chat
from tests.support.stage import Stage


@pytest.fixture
def chat(plaza: Stage) -> Chat:
    return Chat(plaza)
