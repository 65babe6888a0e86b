"""A client with one socket, as the contract wants it: keeps what it was told, resumes after that, and minds what must never come."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import Any
from uuid import uuid4

import websockets
from websockets.asyncio.client import ClientConnection

from tests.support.outside import PATIENCE_S


class Replica:
    """What a client knows of its conversations, over all its sockets. `last` is the seq up to which it has heard everything."""

    def __init__(self) -> None:
        self.last: defaultdict[str, int] = defaultdict(int)
        self.entries: defaultdict[str, list[tuple[int, str, str]]] = defaultdict(list)  # (seq, type, message_id)
        self.messages: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self.badges: list[tuple[str, int, int]] = []

    def apply(self, frame: dict[str, Any]) -> None:
        """An entry of the log, the next one."""
        conversation, seq, type = frame["conversation_id"], frame["seq"], frame["type"]
        assert seq == self.last[conversation] + 1
        self.last[conversation] = seq
        known = self.messages[conversation]
        message = frame.get("message") or known[frame["message_id"]]
        self.entries[conversation].append((seq, type, message["id"]))
        match type:
            case "message.new" | "message.updated":
                known[message["id"]] = message
            case "message.deleted":
                message |= {
                    "content": "",
                    "mentions": [],
                    "reactions": {},
                    "deleted_at": message["deleted_at"] or "now",
                }
            case "reaction.changed":
                counts = {**message["reactions"], frame["emoji"]: frame["count"]}
                message["reactions"] = {emoji: count for emoji, count in counts.items() if count}


class Line:
    def __init__(self, me: str, connection: ClientConnection, replica: Replica) -> None:
        self.me, self.connection, self.replica = me, connection, replica
        self.live: set[str] = set()  # conversations that it is told of
        self._resuming: set[str] = set()
        self._awaited: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()
        self._ready = asyncio.Event()
        self._task = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, me: str, url: str, conversations: list[str], replica: Replica) -> Line:
        """`conversations` are those that it is part of: each is resumed after what was heard last."""
        connection = await websockets.connect(url, max_size=None, open_timeout=PATIENCE_S)
        line = cls(me, connection, replica)
        line.live = set(conversations)
        await line._while(line._ready.wait())
        await line._resume(conversations)
        return line

    async def ask(self, type: str, **fields: Any) -> dict[str, Any]:
        """The answer."""
        ref = str(uuid4())
        self._awaited[ref] = asyncio.get_running_loop().create_future()
        await self.connection.send(json.dumps({"type": type, "ref": ref, **fields}))
        answer: dict[str, Any] = await self._while(self._awaited[ref])
        return answer

    async def reaches(self, heads: dict[str, int]) -> None:
        """Until it has heard all of these logs, and whatever else is on its way."""
        while any(self.replica.last[each] < head for each, head in heads.items()):
            self._moved.clear()
            await self._while(self._moved.wait())
        assert (await self.ask("ping"))["type"] == "pong"

    async def close(self) -> None:
        await self.connection.close()
        await asyncio.wait([self._task, *self._background])
        self._task.result()

    async def _while(self, waiting: Any) -> Any:
        """Waits as long as nothing is wrong with the line."""
        waited = asyncio.ensure_future(waiting)
        await asyncio.wait([waited, self._task], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if not waited.done():
            waited.cancel()
            self._task.result() if self._task.done() else None
            raise TimeoutError("what must come did not come")
        return waited.result()

    async def _listen(self) -> None:
        async for raw in self.connection:
            self._take(json.loads(raw))
            self._moved.set()

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "ready":
            self._ready.set()
        elif "ref" in frame:
            if frame["type"] == "subscribed":
                self._resuming -= {each["id"] for each in frame["conversations"]}
            self._awaited.pop(frame["ref"]).set_result(frame)
        elif (conversation := frame.get("conversation_id")) is not None and conversation not in self._resuming:
            self._hear(conversation, frame)

    def _hear(self, conversation: str, frame: dict[str, Any]) -> None:
        if conversation not in self.live:
            assert frame["type"] == "conversation.updated" or self._brings_me_in(frame), f"not mine any more: {frame}"
            self.live.add(conversation)
        match frame:
            case {"seq": seq}:
                last = self.replica.last[conversation]
                assert seq > last, f"told twice: {frame}"
                if seq == last + 1:
                    self.replica.apply(frame)
                else:
                    assert self._brings_me_in(frame), f"after {last} something is missing: {frame}"
                    self._resuming.add(conversation)
                    task = asyncio.create_task(self._catch_up(conversation))
                    self._background.add(task)
                    task.add_done_callback(self._background.discard)
            case {"type": "participant.changed", "user_id": self.me, "role": None}:
                self.live.discard(conversation)
            case {"type": "unread"}:
                self.replica.badges.append((conversation, frame["unread"], frame["mentions"]))

    async def _catch_up(self, conversation: str) -> None:
        """What was said while it was not part of it. Where it is out again meanwhile, there is nothing to be had."""
        answer = await self._resume([conversation])
        if answer["type"] == "error":
            self._resuming.discard(conversation)
            self.live.discard(conversation)

    async def _resume(self, conversations: list[str]) -> dict[str, Any]:
        self._resuming |= set(conversations)
        wanted = [{"id": each, "after_seq": self.replica.last[each]} for each in conversations]
        return await self.ask("subscribe", conversations=wanted)

    def _brings_me_in(self, frame: dict[str, Any]) -> bool:
        match frame.get("message"):
            case {"system": {"event": "participant_added", "data": {"user_id": self.me}}}:
                return True
            case {"system": {"event": "group_created", "data": {"members": members}}}:
                return self.me in members
            case {"seq": 1, "system": None}:
                return True
        return False
