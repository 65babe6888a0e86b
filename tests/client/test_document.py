"""docs/client.md: its example is a program."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.support.outside import PASSWORD, sign_up
from tests.support.stage import Stage

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"


async def test_the_example_answers(plaza: Stage) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, DOCUMENT, "exec"), names)

    ada = await sign_up(plaza.client(), "ada@example.com")
    grace = await sign_up(plaza.client(), "grace@example.com")
    async with ada.plaza() as client, client.line() as line:
        answering = asyncio.create_task(names["answer_once"](plaza.base_url, grace.email, PASSWORD))
        conversation = UUID(await ada.conversation_with(grace))
        while not answering.done():  # what is said before it listens is not heard
            await line.send(conversation, "Shall we begin?")
            await asyncio.wait([answering], timeout=0.2)
        assert answering.result() == "Shall we begin?"
        (answer,) = [
            message.content
            async for message in client.messages.after(conversation)
            if message.sender_id == UUID(grace.id)
        ]
        assert answer == "You said: Shall we begin?"
