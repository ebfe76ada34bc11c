"""tell, ask, back-pressure, deferred replies, dead letters."""

from __future__ import annotations

import gc
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from dffmpeg.actors import (
    Actor,
    ActorCrashed,
    ActorRef,
    ActorStopped,
    MailboxFull,
    Rejected,
    Reply,
    Request,
)
from dffmpeg.supervisors import Backoff, ChildSpec, Restart, Supervisor, SupervisorRef, TreeHandle, open_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Boom(Exception):
    pass


class NotToday(Rejected):
    pass


class Add(Request[int]):
    def __init__(self, number: int) -> None:
        self.number = number


class Wait(Request[str]):
    """Handled until the gate opens."""


class Later(Request[str]):
    """Answered by a deferred reply."""


class Refused(Request[None]):
    pass


class Crashing(Request[None]):
    pass


class Ledger(Actor[Any]):
    mailbox_size = 2

    def __init__(self, gate: trio.Event, replies: list[Reply[Any]]) -> None:
        self.gate = gate
        self.replies = replies
        self.total = 0
        self.seen: list[object] = []

    async def handle(self, message: Any) -> object:
        match message:
            case Add(number=number):
                self.total += number
                return self.total
            case Wait():
                await self.gate.wait()
                return "waited"
            case Later():
                self.replies.append(self.context.defer())
                return "ignored"
            case Refused():
                raise NotToday("no")
            case Crashing():
                raise Boom("asked")
            case "background":
                self.context.nursery.start_soon(self.crash)
                await trio.sleep_forever()
            case "finish":
                self.context.finish()
        return None

    async def crash(self) -> None:
        raise Boom("background")


class World:
    def __init__(self) -> None:
        self.gate = trio.Event()
        self.replies: list[Reply[Any]] = []
        self.ref: ActorRef[Any] = ActorRef.unbound("ledger", mailbox_size=2)
        self.root = SupervisorRef.unbound("root")

    @asynccontextmanager
    async def open(self, **options: Any) -> AsyncIterator[TreeHandle]:
        spec = ChildSpec("ledger", lambda: Ledger(self.gate, self.replies), ref=self.ref, **options)
        async with open_tree(Supervisor([spec]), name="root", ref=self.root) as tree:
            yield tree


@pytest.fixture
async def world() -> World:
    return World()


async def test_ask_is_answered(world: World, autojump_clock: MockClock) -> None:
    async with world.open():
        assert await world.ref.ask(Add(2), 1) == 2
        await world.ref.tell(Add(3))
        world.ref.tell_nowait(Add(4))
        answer: int = await world.ref.ask(Add(0), 1)
        assert answer == 9


async def test_messages_wait_for_a_ref_that_is_not_bound_yet(world: World, autojump_clock: MockClock) -> None:
    await world.ref.tell(Add(1))
    alive = [world.ref.alive]
    async with world.open():
        alive.append(world.ref.alive)
        assert alive == [False, True]
        assert await world.ref.ask(Add(1), 1) == 2


async def test_a_rejection_reaches_the_asker_and_crashes_nobody(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.open(restart=Restart.TEMPORARY):
        await world.ref.ask(Add(1), 1)
        with pytest.raises(NotToday):
            await world.ref.ask(Refused(), 1)
        await world.ref.tell(Refused())
        assert await world.ref.ask(Add(1), 1) == 2
    assert [record.getMessage() for record in caplog.records] == ["ledger rejected Refused"]


async def test_the_asker_gets_the_crash_and_the_rest_is_kept(world: World, autojump_clock: MockClock) -> None:
    async with world.open(backoff=Backoff(3, 3, 0)):
        await world.ref.ask(Add(5), 1)
        with pytest.raises(ActorCrashed) as raised:
            await world.ref.ask(Crashing(), 1)
        assert isinstance(raised.value.__cause__, Boom)
        assert world.ref.alive
        await world.ref.tell(Add(1))
        assert await world.ref.ask(Add(1), 4) == 2, "the new instance has no memory but the mailbox"


async def test_a_background_crash_stops_the_answer(world: World, autojump_clock: MockClock) -> None:
    async with world.open():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_stopped, world.ref, Later())
            await wait_all_tasks_blocked()
            await world.ref.tell("background")
        assert await world.ref.ask(Add(1), 1) == 1


async def expect_stopped(ref: ActorRef[Any], request: Request[Any]) -> None:
    with pytest.raises(ActorStopped):
        await ref.ask(request, 1000)


async def test_ask_has_a_deadline(world: World, autojump_clock: MockClock) -> None:
    async with world.open():
        begun = trio.current_time()
        with pytest.raises(trio.TooSlowError):
            await world.ref.ask(Wait(), 2)
        assert trio.current_time() - begun == 2
        world.ref.tell_nowait(Add(1))
        world.ref.tell_nowait(Add(1))
        with pytest.raises(trio.TooSlowError):
            await world.ref.ask(Add(1), 3)
        assert trio.current_time() - begun == 5, "waiting for room counts"
        world.gate.set()
        assert await world.ref.ask(Add(1), 1) == 3


async def test_a_full_mailbox_holds_tellers_up(world: World, autojump_clock: MockClock) -> None:
    told: list[int] = []

    async def tell_many() -> None:
        for number in range(5):
            await world.ref.tell(Add(1))
            told.append(number)

    async with world.open() as tree, trio.open_nursery() as nursery:
        await world.ref.tell(Wait())
        await wait_all_tasks_blocked()
        nursery.start_soon(tell_many)
        await wait_all_tasks_blocked()
        assert told == [0, 1]
        node = tree.tree().children[0]
        assert (node.mailbox_depth, node.mailbox_capacity) == (2, 2)
        with pytest.raises(MailboxFull):
            world.ref.tell_nowait(Add(1))
        world.gate.set()
        await wait_all_tasks_blocked()
        assert told == [0, 1, 2, 3, 4]
        assert await world.ref.ask(Add(0), 1) == 5


async def test_an_actor_without_a_given_ref_has_its_class_mailbox_size(autojump_clock: MockClock) -> None:
    gate = trio.Event()
    async with open_tree(Supervisor([ChildSpec("x", lambda: Ledger(gate, []))]), name="root") as tree:
        assert tree.tree().children[0].mailbox_capacity == 2


# The end of an actor


@pytest.mark.parametrize("end", ["tree", "terminate", "finish", "crash"])
async def test_what_waits_when_the_actor_ends(end: str, world: World, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery, world.open(restart=Restart.TEMPORARY, shutdown=1) as tree:
        await world.ref.tell(Wait())
        await wait_all_tasks_blocked()
        if end == "finish":
            await world.ref.tell("finish")
        elif end == "crash":
            await world.ref.tell("background")
        else:
            await world.ref.tell(Add(1))
        nursery.start_soon(expect_stopped, world.ref, Add(1))
        await wait_all_tasks_blocked()
        for _ in range(2):
            nursery.start_soon(world.ref.tell, Add(1))
        nursery.start_soon(expect_stopped, world.ref, Add(1))
        await wait_all_tasks_blocked()
        if end in ("finish", "crash"):
            world.gate.set()
            await wait_all_tasks_blocked()
        elif end == "terminate":
            await world.root.terminate_child("ledger")
        else:
            tree.stop()
            await tree.wait()
        dead = 2 if end in ("finish", "crash") else 3
        assert tree.dead_letters.count == dead
        assert not world.ref.alive


async def test_an_ended_actor_takes_nothing(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with world.open(restart=Restart.TEMPORARY) as tree:
        await world.root.terminate_child("ledger")
        await world.ref.tell(Add(1))
        world.ref.tell_nowait("secret")
        with pytest.raises(ActorStopped):
            await world.ref.ask(Add(1), 1000)
        assert tree.dead_letters.count == 2
        assert [(letter.actor, letter.message_type) for letter in tree.dead_letters.recent] == [
            ("ledger", "Add"),
            ("ledger", "str"),
        ]
        tree.stop()
        world.ref.tell_nowait(1.5)
    found = [record for record in caplog.records if record.name == "dffmpeg.actors"]
    assert [(record.levelname, record.getMessage()) for record in found] == [
        ("INFO", "dead letter: Add to ledger"),
        ("INFO", "dead letter: str to ledger"),
        # While all stops it is what has to be.
        ("DEBUG", "dead letter: float to ledger"),
    ]
    assert "secret" not in caplog.text


async def test_dead_letters_are_remembered_up_to_a_limit(world: World, autojump_clock: MockClock) -> None:
    async with world.open(restart=Restart.TEMPORARY) as tree:
        await world.root.terminate_child("ledger")
        for _ in range(1000):
            world.ref.tell_nowait("x")
        assert (tree.dead_letters.count, len(tree.dead_letters.recent)) == (1000, 256)


async def test_a_ref_can_be_taken_over_by_a_later_child(world: World, autojump_clock: MockClock) -> None:
    for _ in range(2):
        async with world.open():
            assert await world.ref.ask(Add(1), 1) == 1
        assert not world.ref.alive


# Deferred replies


async def asked(ref: ActorRef[Any], results: list[object]) -> None:
    try:
        answer: str = await ref.ask(Later(), 1000)
        results.append(answer)
    except (ActorStopped, Boom) as error:
        results.append(error)


async def test_a_deferred_reply(world: World, autojump_clock: MockClock) -> None:
    results: list[Any] = []
    async with trio.open_nursery() as nursery, world.open():
        for _ in range(4):
            nursery.start_soon(asked, world.ref, results)
            await wait_all_tasks_blocked()
        assert results == []
        first, second, third, fourth = world.replies
        world.replies.clear()
        second.send("2nd")
        second.send("again")
        await wait_all_tasks_blocked()
        first.fail(Boom("1st"))
        await wait_all_tasks_blocked()
        del third
        gc.collect()
        await wait_all_tasks_blocked()
        # The garbage collector may run in a foreign thread.
        dropped = [fourth]
        del fourth
        thread = threading.Thread(target=dropped.clear)
        thread.start()
        thread.join(30)
        await wait_all_tasks_blocked()
        assert results[0] == "2nd"
        assert [type(result) for result in results[1:]] == [Boom, ActorStopped, ActorStopped]


async def test_deferred_replies_end_with_a_crash(world: World, autojump_clock: MockClock) -> None:
    results: list[Any] = []
    async with trio.open_nursery() as nursery, world.open():
        nursery.start_soon(asked, world.ref, results)
        await wait_all_tasks_blocked()
        await world.ref.tell(Crashing())
        await wait_all_tasks_blocked()
        assert [type(result) for result in results] == [ActorStopped]
        assert isinstance(results[0].__cause__, Boom)
        world.replies[0].send("too late")


async def test_a_deferred_reply_to_a_told_message_goes_nowhere(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.open():
        await world.ref.tell(Later())
        await wait_all_tasks_blocked()
        world.replies[0].send("nobody asked")


async def test_defer_outside_of_handle(autojump_clock: MockClock) -> None:
    class Premature(Actor[Any]):
        async def start(self) -> None:
            with pytest.raises(RuntimeError, match="handle"):
                self.context.defer()

    async with open_tree(Supervisor([ChildSpec("x", Premature)]), name="root"):
        pass


async def test_an_actor_that_takes_no_messages_crashes_on_one(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    ref: ActorRef[Any] = ActorRef.unbound("x")
    async with open_tree(Supervisor([ChildSpec("x", Actor[Any], ref=ref)]), name="root"):
        with pytest.raises(ActorCrashed) as raised:
            await ref.ask(Add(1), 1)
        assert isinstance(raised.value.__cause__, NotImplementedError)
