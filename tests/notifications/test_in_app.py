"""`notification.new`: from the worker to whatever somebody has open in another process."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from plaza.client import Plaza
from plaza.client.frames import NotificationNew
from plaza.core.actor import Actor
from plaza.core.db import Database
from plaza.core.errors import NotFound
from plaza.core.result import Failure, ServiceResult, failure, success
from plaza.core.service import Service, command
from plaza.domain_events.identity import SessionId
from plaza.identity import SessionService
from plaza.notifications import InAppRecipient, NotificationService
from tests.chat.builders import Chat
from tests.chat.lines import dialled, line, settled, signed_in, ticket_of
from tests.chat.test_stream import streaming
from tests.identity.builders import jobs_done
from tests.support.outside import Socket
from tests.support.stage import Stage

KIND = "identity.security_notice"
DATA = {"change": "<b>Something</b> changed.", "detail": "", "at": "now", "device": "", "ip": "", "url": ""}


@pytest.fixture
def chat(plaza: Stage) -> Chat:
    return Chat(plaza)


async def notified(plaza: Stage, person: Actor, change: str = DATA["change"]) -> dict[str, Any]:
    """What their devices are to be shown, once the worker has told them."""
    to = InAppRecipient(user_id=person.user_id)
    id = (await plaza[NotificationService].notify(KIND, to, {**DATA, "change": change})).unwrap()
    await jobs_done(plaza)
    return {
        "id": str(id),
        "kind": KIND,
        "title": change,
        "text": "now\nIf it was not you, change your password and end all other sessions.",
        "created_at": plaza.clock.now().isoformat().replace("+00:00", "Z"),
    }


def unpacked(raw: str | bytes) -> Any:
    assert isinstance(raw, bytes)
    return msgspec.msgpack.decode(raw)


def told(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["notification"] for each in frames if each["type"] == "notification.new"]


async def test_every_device_of_the_person_is_told_once_and_nobody_elses(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    async with (
        line(plaza, ada) as one,
        line(plaza, ada, f"/ws/chat/{talk}") as other,
        line(plaza, bob) as bobs,
    ):
        shown = await notified(plaza, ada)
        for socket in (one, other):
            assert await socket.next("notification.new") == {"type": "notification.new", "notification": shown}
        for socket in (one, other, bobs):
            await settled(socket)
        assert [told(each.seen) for each in (one, other, bobs)] == [[shown], [shown], []]


async def test_msgpack_streams_and_the_client_of_apps_hear_the_same(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    actor, token = await signed_in(plaza, ada)
    path = f"/ws?ticket={await ticket_of(plaza, actor)}"
    async with (
        dialled(plaza, path, subprotocols=["plaza.v1.msgpack"]) as packed,
        streaming(await chat.http(ada)) as stream,
        Plaza(plaza.base_url, access_token=token) as app,
        app.line() as listening,
    ):
        assert unpacked(await packed.recv())["type"] == "ready"
        last_id = stream.last_id
        shown = await notified(plaza, ada)
        frame = {"type": "notification.new", "notification": shown}
        assert unpacked(await packed.recv()) == frame
        assert await stream.next("notification.new") == frame
        assert stream.last_id == last_id, "what has no seq has no id"
        async for event in listening:
            if isinstance(event, NotificationNew):
                assert msgspec.to_builtins(event.notification) == shown
                break


async def test_who_comes_later_is_not_told(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    await notified(plaza, ada)
    async with line(plaza, ada) as socket:
        later = await notified(plaza, ada, "Something else.")
        await socket.next("notification.new")
        assert told(await settled(socket)) == [later]


async def test_a_session_that_has_ended_is_not_told(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    ending, _ = await signed_in(plaza, ada)
    async with (
        dialled(plaza, f"/ws?ticket={await ticket_of(plaza, ending)}") as connection,
        line(plaza, ada) as other,
    ):
        ended = Socket(connection)
        await ended.next("ready")
        assert ending.session_id is not None
        (await plaza[SessionService].end(ending, SessionId(ending.session_id))).unwrap()
        await other.next("session.revoked")
        shown = await notified(plaza, ada)
        assert (await ended.closed())[0] == 4401
        assert (await other.next("notification.new"))["notification"] == shown
        assert told(ended.seen) == []


class Shop(Service):
    def __init__(self, db: Database, notifications: NotificationService) -> None:
        super().__init__(db)
        self.notifications = notifications

    @command(NotFound)
    async def sell(self, buyer: Actor, *, refused: bool) -> ServiceResult[None]:
        to = InAppRecipient(user_id=buyer.user_id)
        (await self.notifications.notify(KIND, to, {**DATA, "change": "refused" if refused else "sold"})).unwrap()
        return failure(NotFound()) if refused else success(None)


async def test_what_is_rolled_back_is_told_to_nobody(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    shop = Shop(plaza.runtime.db, plaza[NotificationService])
    async with line(plaza, ada) as socket:
        assert isinstance(await shop.sell(ada, refused=True), Failure)
        (await shop.sell(ada, refused=False)).unwrap()
        await socket.next("notification.new")
        await jobs_done(plaza)
        assert [each["title"] for each in told(await settled(socket))] == ["sold"]


async def test_a_worker_that_was_down_for_long_brings_no_old_news(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    notifications, to = plaza[NotificationService], InAppRecipient(user_id=ada.user_id)
    async with line(plaza, ada) as socket:
        good_for = timedelta(seconds=-1)  # as if it had been written that much earlier
        (await notifications.notify(KIND, to, DATA, good_for=good_for)).unwrap()
        news = await notified(plaza, ada)
        await socket.next("notification.new")
        assert told(await settled(socket)) == [news]
