"""Timers and death watch."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from dffmpeg.actors import Actor, ActorRef, Down, Timer
from dffmpeg.supervisors import (
    Backoff,
    ChildSpec,
    DynamicSupervisor,
    Restart,
    Supervisor,
    SupervisorRef,
    open_tree,
)


class Boom(Exception):
    pass


class Recorder(Actor[Any]):
    """Writes down what it gets; does what a callable message says."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log

    async def handle(self, message: Any) -> object:
        if callable(message):
            result = message(self)
            if isinstance(result, Timer):
                self.timer = result
        else:
            self.log.append((trio.current_time(), message))
        return None


def crash(actor: Recorder) -> None:
    raise Boom("asked")


def recorder(id_: str, log: list[Any], **options: Any) -> tuple[ActorRef[Any], ChildSpec]:
    ref: ActorRef[Any] = ActorRef.unbound(id_, mailbox_size=options.pop("mailbox_size", 16))
    return ref, ChildSpec(id_, lambda: Recorder(log), ref=ref, **options)


async def send(ref: ActorRef[Any], message: Any) -> None:
    await ref.tell(message)
    await wait_all_tasks_blocked()


# Timers


async def test_a_timer_is_a_message_to_oneself(autojump_clock: MockClock) -> None:
    log: list[Any] = []
    ref, spec = recorder("a", log)
    async with open_tree(Supervisor([spec]), name="root"):
        begun = trio.current_time()
        await send(ref, lambda actor: actor.context.tell_after(5, "late"))
        await send(ref, lambda actor: actor.context.tell_after(2, "early"))
        await trio.sleep(10)
    assert log == [(begun + 2, "early"), (begun + 5, "late")]


async def test_a_cancelled_timer_is_silent_even_if_its_message_waits(autojump_clock: MockClock) -> None:
    log: list[Any] = []
    ref, spec = recorder("a", log)
    blocked = trio.Event()

    class Slow(Recorder):
        async def handle(self, message: Any) -> object:
            if message == "block":
                await blocked.wait()
                self.timer.cancel()
                return None
            return await super().handle(message)

    spec = ChildSpec("a", lambda: Slow(log), ref=ref)
    async with open_tree(Supervisor([spec]), name="root") as tree:
        await send(ref, lambda actor: actor.context.tell_after(1, "never"))
        await send(ref, lambda actor: actor.timer.cancel())
        await send(ref, lambda actor: actor.context.tell_after(2, "neither"))
        await send(ref, "block")
        await trio.sleep(10)
        assert tree.tree().children[0].mailbox_depth == 1
        blocked.set()
        await send(ref, "end")
    assert [message for _, message in log] == ["end"]


async def test_timers_die_with_the_instance(autojump_clock: MockClock) -> None:
    log: list[Any] = []
    ref, spec = recorder("a", log)
    async with open_tree(Supervisor([spec]), name="root") as tree:
        await send(ref, lambda actor: actor.context.tell_after(5, "pending"))
        await send(ref, crash)
        await trio.sleep(10)
        assert tree.tree().children[0].restarts == 1
    assert log == []


async def test_a_timers_message_that_waits_dies_with_the_instance(autojump_clock: MockClock) -> None:
    log: list[Any] = []
    gate = trio.Event()

    class Slow(Recorder):
        async def handle(self, message: Any) -> object:
            if message == "crash at the gate":
                await gate.wait()
                raise Boom
            return await super().handle(message)

    ref: ActorRef[Any] = ActorRef.unbound("a")
    async with open_tree(Supervisor([ChildSpec("a", lambda: Slow(log), ref=ref)]), name="root") as tree:
        await send(ref, lambda actor: actor.context.tell_after(1, "of the old instance"))
        await send(ref, "crash at the gate")
        await trio.sleep(2)
        await send(ref, "from outside")
        assert tree.tree().children[0].mailbox_depth == 2
        gate.set()
        await wait_all_tasks_blocked()
        assert [message for _, message in log] == ["from outside"]


# Death watch


@pytest.mark.parametrize("end", ["crash", "finish", "stop", "crash for good"])
async def test_watch_delivers_one_down(end: str, autojump_clock: MockClock) -> None:
    log: list[Any] = []
    watcher, watcher_spec = recorder("watcher", log)
    restart = Restart.TEMPORARY if end == "crash for good" else Restart.PERMANENT
    ref, spec = recorder("a", [], restart=restart, backoff=Backoff(1, 1, 0))
    root = SupervisorRef.unbound("root")
    async with open_tree(Supervisor([watcher_spec, spec]), name="root", ref=root):
        await send(watcher, lambda actor: actor.context.watch(ref))
        await send(watcher, lambda actor: actor.context.watch(ref))
        if end == "stop":
            await root.terminate_child("a")
        else:
            await send(ref, crash if end.startswith("crash") else lambda actor: actor.context.finish())
        await trio.sleep(5)
        assert len(log) == 1
        down = log[0][1]
        assert (type(down), down.ref) == (Down, ref)
        assert isinstance(down.reason, Boom) is end.startswith("crash")
        if end == "crash":
            await send(ref, crash)
            assert len(log) == 1, "one watch, one message"
            await send(watcher, lambda actor: actor.context.watch(ref))
            await trio.sleep(5)
            await send(ref, crash)
            assert len(log) == 2


async def test_watching_what_is_already_gone(autojump_clock: MockClock) -> None:
    log: list[Any] = []
    watcher, watcher_spec = recorder("watcher", log)
    ref, spec = recorder("a", [], restart=Restart.TEMPORARY)
    async with open_tree(Supervisor([watcher_spec, spec]), name="root"):
        await send(ref, crash)
        await send(watcher, lambda actor: actor.context.watch(ref))
        assert [type(entry[1].reason) for entry in log] == [Boom]


async def test_unwatch_also_withdraws_a_down_that_waits(autojump_clock: MockClock) -> None:
    log: list[Any] = []
    gate = trio.Event()
    ref, spec = recorder("a", [])

    class Slow(Recorder):
        async def handle(self, message: Any) -> object:
            if message == "unwatch at the gate":
                await gate.wait()
                self.context.unwatch(ref)
                return None
            return await super().handle(message)

    watcher: ActorRef[Any] = ActorRef.unbound("watcher")
    slow = ChildSpec("watcher", lambda: Slow(log), ref=watcher)
    async with open_tree(Supervisor([slow, spec], intensity=9), name="root") as tree:
        await send(watcher, lambda actor: actor.context.watch(ref))
        await send(watcher, lambda actor: actor.context.unwatch(ref))
        await send(ref, crash)
        await send(watcher, lambda actor: actor.context.watch(ref))
        await send(watcher, "unwatch at the gate")
        await send(ref, crash)
        assert tree.tree().children[0].mailbox_depth == 1
        gate.set()
        await wait_all_tasks_blocked()
        assert log == []
        await send(watcher, lambda actor: actor.context.watch(ref))
        await send(ref, crash)
        assert [type(message) for _, message in log] == [Down]


async def test_a_restarted_watcher_watches_nothing(autojump_clock: MockClock) -> None:
    log: list[Any] = []
    watcher, watcher_spec = recorder("watcher", log)
    ref, spec = recorder("a", [])
    async with open_tree(Supervisor([watcher_spec, spec]), name="root"):
        await send(watcher, lambda actor: actor.context.watch(ref))
        await send(watcher, crash)
        await send(ref, crash)
        await trio.sleep(5)
    assert log == []


async def test_a_full_mailbox_delays_a_down_and_nothing_else(autojump_clock: MockClock) -> None:
    log: list[Any] = []
    watcher, _ = recorder("watcher", log, mailbox_size=1)
    gate = trio.Event()

    class Slow(Recorder):
        async def handle(self, message: Any) -> object:
            if message == "block":
                await gate.wait()
            return await super().handle(message)

    ref, spec = recorder("a", [])
    slow = ChildSpec("watcher", lambda: Slow(log), ref=watcher)
    async with open_tree(Supervisor([slow, spec]), name="root") as tree:
        await send(watcher, lambda actor: actor.context.watch(ref))
        await send(watcher, "block")
        await send(watcher, "fills")
        await send(ref, crash)
        assert tree.tree().children[1].restarts == 1
        gate.set()
        await wait_all_tasks_blocked()
    assert [type(message) for _, message in log] == [str, str, Down]


async def test_a_supervisor_can_be_watched(autojump_clock: MockClock) -> None:
    log: list[Any] = []
    watcher, watcher_spec = recorder("watcher", log)
    jobs = SupervisorRef.unbound("jobs")
    async with open_tree(
        Supervisor([watcher_spec, ChildSpec("jobs", DynamicSupervisor, ref=jobs)]), name="root"
    ):
        tree_ref = await jobs.start_child(ChildSpec("job", lambda: Supervisor([]), restart=Restart.TEMPORARY))
        await send(watcher, lambda actor: actor.context.watch(tree_ref))
        await send(watcher, lambda actor: actor.context.watch(jobs.ref))
        await tree_ref.tell("a supervisor takes no messages")
        await jobs.terminate_child("job")
        await wait_all_tasks_blocked()
        assert [entry[1] for entry in log] == [Down(tree_ref, None)]
    assert [entry[1] for entry in log] == [Down(tree_ref, None), Down(jobs.ref, None)]
