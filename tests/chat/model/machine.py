"""Random operations, chosen and put together by hypothesis; the program runs in the loop of the caller, the machine in a thread."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.chat.model.comparing import Comparing
from tests.chat.model.world import PEOPLE, World
from tests.support.stage import Stage

LOOK_AT_ALL_EVERY = 40  # operations; after each one person's lists are compared

_who = _other = st.integers(0, PEOPLE - 1)
_where = st.integers(0, 3)
_which = st.integers(0, 11)
_either = st.booleans()
_text = st.sampled_from(["one", "two", "three", "<@all> hear", " ", *(f"<@{n}> look" for n in range(PEOPLE))])
_sign = st.sampled_from(["👍", "👎", "🎉", "❤️", "🚀", "👀", "😀"])

# Methods of World: how often of how many, and their arguments.
OPERATIONS: dict[str, tuple[int, tuple[st.SearchStrategy[Any], ...]]] = {
    "send": (8, (_who, _where, _text, _either)),
    "reply": (5, (_who, _where, _where, _which, _text, _either)),
    "edit": (2, (_who, _where, _which, _text, _either)),
    "edit_own": (4, (_where, _which, _text, _either)),
    "delete": (2, (_who, _where, _which, _either)),
    "react": (5, (_who, _where, _which, _sign, _either)),
    "read": (5, (_who, _where, st.integers(-12, 2), _either, _either)),
    "mute": (2, (_who, _where, _either)),
    "add": (4, (_who, _where, _other)),
    "remove": (2, (_who, _where, _other)),
    "promote": (2, (_who, _where, _other, st.sampled_from(["admin", "member"]))),
    "join": (3, (_who, _where)),
    "leave": (2, (_who, _where)),
    "block": (2, (_who, _other, st.sampled_from([True, False, False]))),
    "talk": (2, (_who, _other)),
    "found": (2, (_who, st.lists(_other, max_size=3))),
    "connect": (4, (_who, st.sampled_from([True, True, False]))),
}
operations = st.one_of(
    [st.tuples(st.just(name), *arguments) for name, (share, arguments) in OPERATIONS.items() for _ in range(share)]
)


async def run_operations(stage: Stage, *, examples: int, steps: int, derandomize: bool) -> Counter[str]:
    """`examples` programs of `steps` operations each; one that fails is printed. Answers how often each thing was done or compared."""
    loop, tally = asyncio.get_running_loop(), Counter[str]()

    class ChatMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.world = World(stage, tally)
            self.comparing = Comparing(self.world)
            self.steps = 0
            self.run(self.world.begin())

        def run(self, work: Coroutine[Any, Any, None]) -> None:
            asyncio.run_coroutine_threadsafe(work, loop).result()

        @rule(operation=operations)
        def operate(self, operation: tuple[Any, ...]) -> None:
            name, *arguments = operation
            self.run(getattr(self.world, name)(*arguments))

        @invariant()
        def agrees(self) -> None:
            self.steps += 1
            looked_at = self.world.people[self.steps % PEOPLE]
            is_due = self.steps % LOOK_AT_ALL_EVERY == 0
            self.run(self.comparing.everything() if is_due else self.comparing.lists(looked_at))

        def teardown(self) -> None:
            try:
                self.run(self.comparing.everything())
            finally:
                self.run(self.world.end())

    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=derandomize,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a program is played through once: the first one that fails is printed
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    await asyncio.to_thread(run_state_machine_as_test, ChatMachine, settings=chosen)
    return tally
