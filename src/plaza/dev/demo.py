"""People and conversations to look at, made through the services like anybody's."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

import msgspec

from plaza.app.demo import DEMO_PASSWORD, DEMO_PEOPLE
from plaza.app.runtime import Runtime
from plaza.chat import ConversationService, Kind, MessageDraft, MessageService, NewConversation
from plaza.core.actor import Actor
from plaza.core.db import PageRequest
from plaza.core.ids import uuid7
from plaza.core.result import Success
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from plaza.identity import NewUser, Origin, SessionService, UserService

GROUP = "Plaza tour"

# (speaker's number in DEMO_PEOPLE, text)
GROUP_TALK: tuple[tuple[int, str], ...] = (
    (0, "Welcome! Open a second window, log in as somebody else, and write: it arrives at once."),
    (1, "Stop the network for a moment, write on, and start it again. Nothing is lost and nothing comes twice."),
    (3, "درود بر همه!\nAny script will do, 中文也可以, and emoji 🎉 too."),
    (2, "Kill a server while you are at it: `plaza up` brings it back."),
)
DIRECT_TALK: tuple[tuple[int, str], ...] = (
    (1, "The analytical engine weaves algebraic patterns, you wrote?"),
    (0, "Just as the loom weaves flowers and leaves. Shall we try it here?"),
)


class DemoUser(msgspec.Struct):
    id: str
    email: str
    access_token: str


class DemoGroup(msgspec.Struct):
    conversation_id: str
    users: list[DemoUser]


async def make_demo(runtime: Runtime) -> bool:
    """Whether anything was missing. Safe to repeat after it was cut off anywhere: every step finds what stands."""
    users = runtime.parts[UserService]
    made = [await users.create(email, DEMO_PASSWORD, display_name=name) for email, name in DEMO_PEOPLE]
    people = (
        await users.create_many([NewUser(email=email, display_name=name) for email, name in DEMO_PEOPLE])
    ).unwrap()
    ada, grace, *others = people
    direct = await _conversation(runtime, ada, NewConversation(kind=Kind.DIRECT, member_ids=[grace]))
    await _talk(runtime, direct, people, DIRECT_TALK)
    titles = [
        each.title for each in (await runtime.parts[ConversationService].page(Actor(ada), PageRequest())).unwrap().items
    ]
    if GROUP not in titles:
        group = await _conversation(
            runtime, ada, NewConversation(kind=Kind.GROUP, title=GROUP, member_ids=[grace, *others])
        )
        await _talk(runtime, group, people, GROUP_TALK)
    return any(isinstance(each, Success) for each in made)


async def make_users(runtime: Runtime, count: int, title: str) -> DemoGroup:
    """`count` verified people without passwords in one new group, the first its owner, each with an access token."""
    run = uuid7().hex[-12:]
    people = [NewUser(email=f"load-{run}-{n}@demo.example", display_name=f"Load {n}") for n in range(1, count + 1)]
    ids = (await runtime.parts[UserService].create_many(people)).unwrap()
    tokens = (
        await runtime.parts[SessionService].open_many(ids, Origin(ip="127.0.0.1", user_agent="plaza dev users"))
    ).unwrap()
    new = NewConversation(kind=Kind.GROUP, title=title, member_ids=list(ids[1:]))
    conversation = await _conversation(runtime, ids[0], new)
    users = [DemoUser(str(id), person.email, token) for id, person, token in zip(ids, people, tokens, strict=True)]
    return DemoGroup(str(conversation), users)


async def _conversation(runtime: Runtime, creator: UserId, new: NewConversation) -> ConversationId:
    made = (await runtime.parts[ConversationService].create(Actor(creator), new)).unwrap()
    return made.conversation.id


async def _talk(
    runtime: Runtime, conversation: ConversationId, people: Sequence[UserId], talk: Sequence[tuple[int, str]]
) -> None:
    for number, text in talk:
        draft = MessageDraft(
            sender_id=people[number],
            conversation_id=conversation,
            client_id=uuid5(NAMESPACE_URL, f"plaza-demo/{conversation}/{text}"),
            content=text,
        )
        (await runtime.parts[MessageService].send(draft)).unwrap()
