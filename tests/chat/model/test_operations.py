from __future__ import annotations

from tests.chat.model.machine import run_operations
from tests.support.stage import Stage

OPERATIONS = {
    "create", "send", "reply", "edit", "delete", "react", "read", "unread", "mute", "unmute", "block", "unblock",
    "add", "remove", "promote", "join", "leave", "reconnect", "disconnect",
}  # fmt: skip


async def test_random_operations_agree_with_the_model(plaza: Stage) -> None:
    """2,000 of them, the same in every run; bench.model makes ten times as many, others each time."""
    tally = await run_operations(plaza, examples=10, steps=200, derandomize=True)
    print(tally)
    assert set(tally) >= OPERATIONS, tally
