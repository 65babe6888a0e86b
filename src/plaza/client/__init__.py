"""A typed client for Plaza's REST API and sockets, for apps and for tests. It imports nothing else of Plaza.

    async with Plaza("https://plaza.example") as plaza:
        await plaza.log_in("ada@example.com", password)
        group = await plaza.conversations.create_group("Engines", [grace])
        async with plaza.line() as line:
            await line.send(group.id, "Shall we begin?")
            async for event in line:
                match event:
                    case MessageNew(message=message):
                        print(message.content)

`Plaza` renews its tokens by itself and sends again what is safe to send again; a `Line` comes back by itself and hands out each entry of
a conversation's log once and in order (what exactly is promised stands in `plaza.client.line`). What goes wrong is a `PlazaError`: the
tree is in `plaza.client.errors`. The structs (`models`, `frames`) are written from docs/openapi.json and docs/asyncapi.json; fields and
frames that a newer server adds do not disturb them.
"""

from plaza.client import errors, frames, models
from plaza.client.codec import Unknown
from plaza.client.errors import PlazaError
from plaza.client.events import Down, Event, Up
from plaza.client.line import Line
from plaza.client.plaza import Plaza
from plaza.client.session import Tokens

__all__ = [
    "Down",
    "Event",
    "Line",
    "Plaza",
    "PlazaError",
    "Tokens",
    "Unknown",
    "Up",
    "errors",
    "frames",
    "models",
]
