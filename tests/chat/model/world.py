"""The running program beside the model: every operation is done to both, over HTTP or a socket, and then they are compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from plaza.domain_events.identity import UserId
from plaza.identity import NewUser, Origin, SessionService, UserService
from tests.chat.model.line import Line, Replica
from tests.chat.model.model import Conversation, Message, Model, Refused
from tests.support.stage import Stage

CHAT = "/api/v1/chat"
PEOPLE = 4
T = TypeVar("T")


class Person:
    def __init__(self, id: str, http: httpx.AsyncClient, socket_url: str) -> None:
        self.id, self.http, self.socket_url = id, http, socket_url
        self.replica = Replica()
        self.line: Line | None = None

    async def get(self, path: str, **params: Any) -> Any:
        return (await self.http.get(f"{CHAT}/{path}", params=params)).raise_for_status().json()

    async def all(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Of a list, its pages put together."""
        page = await self.get(path, limit=100, **params)
        items: list[dict[str, Any]] = page["items"]
        while page["next_cursor"] is not None:
            page = await self.get(path, limit=100, cursor=page["next_cursor"])
            items += page["items"]
        return items

    async def ask(self, method: str, path: str, **body: Any) -> tuple[str, Any]:
        """The code of a refusal, or nothing; and what was answered."""
        answer = await self.http.request(method, f"{CHAT}/{path}", json=body or None)
        told: Any = answer.json() if answer.content else None
        return ("" if answer.is_success else told["code"]), told

    async def say(self, type: str, **fields: Any) -> tuple[str, Any]:
        """The same over the socket."""
        assert self.line is not None
        answer = await self.line.ask(type, **fields)
        return answer.get("code", ""), answer.get("message", answer)

    async def connect(self) -> None:
        ticket = (await self.http.post("/api/v1/auth/ws-ticket")).raise_for_status().json()["ticket"]
        mine = [each["id"] for each in await self.all("conversations")]
        self.line = await Line.open(self.id, f"{self.socket_url}/ws?ticket={ticket}", mine, self.replica)

    async def disconnect(self) -> None:
        if self.line is not None:
            await self.line.close()
            self.line = None


class World:
    def __init__(self, stage: Stage, tally: Counter[str]) -> None:
        self.stage, self.tally = stage, tally
        self.people: list[Person] = []
        self.badges: dict[str, list[tuple[str, int, int]]] = {}  # that each person's sockets should have been told

    async def begin(self) -> None:
        new = [NewUser(email=f"{uuid4()}@example.com", display_name=f"P{n}") for n in range(PEOPLE)]
        ids = (await self.stage[UserService].create_many(new)).unwrap()
        origin = Origin(ip="127.0.0.1", user_agent="tests")
        tokens = (await self.stage[SessionService].open_many([UserId(each) for each in ids], origin)).unwrap()
        for id, token in zip(ids, tokens, strict=True):
            self.people.append(Person(str(id), self.stage.client(token), self.stage.socket_url))
        self.model = Model(each.id for each in self.people)
        self.badges = {each.id: [] for each in self.people}
        await self.found(0, [1, 2, 3])
        await self.talk(0, 1)
        for person in self.people[:-1]:
            await person.connect()

    async def end(self) -> None:
        for person in self.people:
            await person.disconnect()
            await person.http.aclose()

    # operations: people and places by number

    def place(self, where: int) -> Conversation:
        """Of the latest few: others are out of the game."""
        latest = self.model.conversations[-4:]
        return latest[where % len(latest)]

    def message(self, c: Conversation, which: int) -> Message | None:
        """The newest first; one whose id is known."""
        known = [each for each in reversed(c.messages) if each.id]
        return known[which % min(len(known), 12)] if known else None

    async def found(self, who: int, others: list[int]) -> None:
        """By people in few conversations: otherwise none grows old."""
        if sum(self.people[who].id in each.members for each in self.model.conversations) >= 3:
            return
        me, ids = self.people[who], [self.people[each].id for each in others if each != who]
        made, told = await self._both(
            "create",
            lambda: self.model.found(me.id, list(dict.fromkeys(ids))),
            me.ask("POST", "conversations", kind="group", title="Team", member_ids=ids),
        )
        if made is not None:
            made.id = told["id"]
            await self._make_link(made, me)

    async def talk(self, who: int, other: int) -> None:
        me, you = self.people[who], self.people[other]
        made, told = await self._both(
            "create",
            lambda: self.model.talk(me.id, you.id),
            me.ask("POST", "conversations", kind="direct", member_ids=[you.id]),
        )
        if made is not None:
            conversation, is_new = made
            assert is_new or conversation.id == told["id"]
            conversation.id = told["id"]

    async def send(self, who: int, where: int, text: str, by_socket: bool) -> None:
        await self._send(who, where, text, None, by_socket)

    async def reply(self, who: int, where: int, elsewhere: int, which: int, text: str, by_socket: bool) -> None:
        """Every fourth one to a message that may be of another conversation."""
        parent = self.message(self.place(elsewhere if which % 4 == 0 else where), which)
        await self._send(who, where, text, parent, by_socket)

    async def _send(self, who: int, where: int, text: str, parent: Message | None, by_socket: bool) -> None:
        me, c, client_id, text = self.people[who], self.place(where), str(uuid4()), self._named(text)
        named = {} if parent is None else {"parent_id": parent.id}
        fields = {"content": text, "client_id": client_id, **named}
        made, told = await self._both(
            "send" if parent is None else "reply",
            lambda: self.model.send(c, me.id, text, parent),
            me.say("message.send", conversation_id=c.id, **fields)
            if by_socket and me.line
            else me.ask("POST", f"conversations/{c.id}/messages", **fields),
        )
        if made is not None:
            made.id = told["id"]
            assert told["seq"] == made.seq
            assert await me.ask("POST", f"conversations/{c.id}/messages", **fields) == ("", told), "sent again"

    async def edit_own(self, where: int, which: int, text: str, by_socket: bool) -> None:
        message = self.message(self.place(where), which)
        if message is not None and message.sender is not None:
            await self.edit(self.model.people.index(message.sender), where, which, text, by_socket)

    async def edit(self, who: int, where: int, which: int, text: str, by_socket: bool) -> None:
        me, c, text = self.people[who], self.place(where), self._named(text)
        if (message := self.message(c, which)) is not None:
            await self._both(
                "edit",
                lambda: self._at(c, me, by_socket, lambda: self.model.edit(c, me.id, message, text)),
                me.say("message.edit", message_id=message.id, content=text)
                if by_socket and me.line
                else me.ask("PATCH", f"conversations/{c.id}/messages/{message.id}", content=text),
            )

    async def delete(self, who: int, where: int, which: int, by_socket: bool) -> None:
        me, c = self.people[who], self.place(where)
        if (message := self.message(c, which)) is not None:
            await self._both(
                "delete",
                lambda: self._at(c, me, by_socket, lambda: self.model.delete(c, me.id, message)),
                me.say("message.delete", message_id=message.id)
                if by_socket and me.line
                else me.ask("DELETE", f"conversations/{c.id}/messages/{message.id}"),
            )

    async def react(self, who: int, where: int, which: int, emoji: str, by_socket: bool) -> None:
        me, c = self.people[who], self.place(where)
        if (message := self.message(c, which)) is not None:
            added, told = await self._both(
                "react",
                lambda: self._at(c, me, by_socket, lambda: self.model.react(c, me.id, message, emoji)),
                me.say("reaction.toggle", message_id=message.id, emoji=emoji)
                if by_socket and me.line
                else me.ask("POST", f"conversations/{c.id}/messages/{message.id}/reactions/toggle", emoji=emoji),
            )
            assert added is None or told["added"] is added

    async def read(self, who: int, where: int, ahead: int, back: bool, by_socket: bool) -> None:
        """Near the end of the log, now and then beyond either end of it."""
        me, c = self.people[who], self.place(where)
        seq = len(c.log) + ahead
        moved, _ = await self._both(
            "unread" if back else "read",
            lambda: self.model.read(c, me.id, seq, back=back),
            me.say("read", conversation_id=c.id, seq=seq)
            if by_socket and me.line and not back
            else me.ask("POST", f"conversations/{c.id}/{'unread' if back else 'read'}", seq=seq),
        )
        if moved and me.line is not None:
            self.badges[me.id].append((c.id, *c.unread(me.id)))

    async def mute(self, who: int, where: int, on: bool) -> None:
        me, c = self.people[who], self.place(where)
        asked = me.ask("POST", f"conversations/{c.id}/{'mute' if on else 'unmute'}")
        await self._both("mute" if on else "unmute", lambda: self.model.mute(c, me.id, on=on), asked)

    async def block(self, who: int, other: int, on: bool) -> None:
        me, you = self.people[who], self.people[other]
        asked = me.ask("POST", "blocks", user_id=you.id) if on else me.ask("DELETE", f"blocks/{you.id}")
        await self._both("block" if on else "unblock", lambda: self.model.block(me.id, you.id, on=on), asked)

    async def add(self, who: int, where: int, other: int) -> None:
        me, c, you = self.people[who], self.place(where), self.people[other]
        asked = me.ask("POST", f"conversations/{c.id}/participants", user_id=you.id)
        await self._both("add", lambda: self.model.add(c, me.id, you.id), asked)

    async def remove(self, who: int, where: int, other: int) -> None:
        me, c, you = self.people[who], self.place(where), self.people[other]
        asked = me.ask("DELETE", f"conversations/{c.id}/participants/{you.id}")
        await self._both("remove", lambda: self.model.remove(c, me.id, you.id), asked)

    async def promote(self, who: int, where: int, other: int, role: str) -> None:
        me, c, you = self.people[who], self.place(where), self.people[other]
        asked = me.ask("PATCH", f"conversations/{c.id}/participants/{you.id}", role=role)
        await self._both("promote", lambda: self.model.promote(c, me.id, you.id, role), asked)

    async def join(self, who: int, where: int) -> None:
        me, c = self.people[who], self.place(where)
        if c.is_group:
            asked = me.ask("POST", f"invite-links/{c.link}/join")
            await self._both("join", lambda: self.model.join(c, me.id), asked)
            if c.link_by is None and not c.is_deleted:
                (owner,) = (each for each in self.people if each.id in c.members and c.members[each.id].role == "owner")
                await self._make_link(c, owner)

    async def _make_link(self, c: Conversation, maker: Person) -> None:
        code, link = await maker.ask("POST", f"conversations/{c.id}/invite-links", role="member")
        assert not code
        c.link, c.link_by = link["code"], maker.id

    async def leave(self, who: int, where: int) -> None:
        me, c = self.people[who], self.place(where)
        await self._both("leave", lambda: self.model.leave(c, me.id), me.ask("POST", f"conversations/{c.id}/leave"))

    async def connect(self, who: int, on: bool) -> None:
        me = self.people[who]
        await me.disconnect()
        if on:
            await me.connect()
        self.tally["reconnect" if on else "disconnect"] += 1

    async def _both(self, name: str, apply: Callable[[], T], asking: Any) -> tuple[T | None, Any]:
        """What the model makes of it, None where it refuses, and what was answered."""
        self.stage.clock.advance(timedelta(seconds=1))
        self.model.now += 1
        self.tally[name] += 1
        made: T | None = None
        try:
            made, wanted = apply(), ""
        except Refused as refused:
            wanted = refused.code
            self.tally["refused"] += 1
        code, told = await asking
        assert code == wanted, f"{name}: {code or told} for {wanted or 'success'}"
        return made, told

    def _named(self, text: str) -> str:
        """With the person of a number mentioned by id."""
        for n, each in enumerate(self.people):
            text = text.replace(f"<@{n}>", f"<@{each.id}>")
        return text

    def _at(self, c: Conversation, me: Person, by_socket: bool, apply: Callable[[], T]) -> T:
        """Frames name the message only: to a stranger that does not exist."""
        if by_socket and me.line and me.id not in c.members and me.id not in c.former:
            raise Refused("MESSAGE_NOT_FOUND")
        return apply()
