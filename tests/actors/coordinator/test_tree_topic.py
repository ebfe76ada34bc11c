"""The supervision tree as the change feed tells of it: on a real tree, asked as the feed asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from dffmpeg.actors.coordinator import tree_topic
from dffmpeg.actors.coordinator.tree_topic import SHOWN, TreeTopic
from dffmpeg.supervisors import (
    Backoff,
    ChildSpec,
    DynamicSupervisor,
    Supervisor,
    SupervisorRef,
    TreeHandle,
    open_tree,
)
from dffmpeg.wire.dashboard import TreeChange, TreeEvent
from tests.actors.coordinator.tree import ADMIN
from tests.supervisors.kit import Bench, Boom, Crash, Ping


class Watching:
    """One subscriber, who asks by hand."""

    def __init__(self, topic: TreeTopic) -> None:
        self.topic = topic
        self.stirred = 0
        self._place = 0
        topic.bind(self._stir)
        topic.watchers += 1

    def _stir(self) -> None:
        self.stirred += 1

    async def ask(self) -> list[TreeEvent]:
        await self.topic.refresh()
        found = self.topic.news(self._place, ADMIN)
        self._place = self.topic.version
        assert all(isinstance(event, TreeEvent) for event in found)
        return [event for event in found if isinstance(event, TreeEvent)]

    async def changed(self) -> list[TreeChange]:
        """What changed; nobody says that this is all."""
        events = await self.ask()
        assert not any(event.whole for event in events)
        return [node for event in events for node in event.nodes]


@asynccontextmanager
async def planted(bench: Bench, jobs: SupervisorRef) -> AsyncIterator[TreeHandle]:
    children = [
        bench.spec("a", backoff=Backoff(0, 0, 0)),
        ChildSpec("jobs", lambda: DynamicSupervisor(intensity=9), ref=jobs),
    ]
    async with open_tree(Supervisor(children), name="coordinator") as tree:
        yield tree


async def test_a_crash_is_seen_although_it_healed_at_once(autojump_clock: MockClock) -> None:
    bench, jobs = Bench(), SupervisorRef.unbound("jobs")
    async with planted(bench, jobs) as tree:
        watching = Watching(TreeTopic(tree))
        (first,) = await watching.ask()
        assert first.whole
        assert [node.path for node in first.nodes] == ["coordinator", "coordinator/a", "coordinator/jobs"]
        assert await watching.ask() == []
        await bench.send("a", Crash(Boom("why")))
        assert watching.stirred > 0
        (healed,) = await watching.changed()
        assert (healed.path, healed.state, healed.restarts) == ("coordinator/a", "running", 1)
        assert healed.last_crash == "Boom: why"
        assert healed.crashed_at is not None
        assert await watching.ask() == []
        later = Watching(watching.topic)
        assert (await later.ask())[0].nodes[1] == healed


async def test_children_and_what_waits_in_mailboxes(autojump_clock: MockClock) -> None:
    bench, jobs = Bench(), SupervisorRef.unbound("jobs")
    async with planted(bench, jobs) as tree:
        watching = Watching(TreeTopic(tree))
        await watching.ask()
        await jobs.start_child(bench.spec("j"))
        await trio.sleep(1)
        assert [(node.path, node.state, node.children) for node in await watching.changed()] == [
            ("coordinator/jobs/j", "running", 0),
            ("coordinator/jobs", "running", 1),
        ]
        await jobs.start_child(bench.spec("k"))
        await jobs.terminate_child("k")
        await jobs.terminate_child("j")
        gone = {node.path: node.state for node in await watching.changed()}
        assert gone == {"coordinator/jobs/j": "removed", "coordinator/jobs/k": "removed"}


async def test_depths_are_told_in_steps(autojump_clock: MockClock) -> None:
    bench, jobs = Bench(), SupervisorRef.unbound("jobs")
    async with planted(bench, jobs) as tree:
        watching = Watching(TreeTopic(tree))
        # Down, and waiting to be started again: what is sent to it waits.
        await jobs.start_child(bench.spec("j", backoff=Backoff(100, 100, 0)))
        await bench.send("j", Crash())
        await watching.ask()
        told: list[int] = []
        for _ in range(9):
            await bench.refs["j"].tell(Ping())
            await trio.sleep(1)
            told += [node.mailbox_depth for node in await watching.changed()]
        assert told == [1, 2, 4, 8]
        await trio.sleep(100)
        assert [node.mailbox_depth for node in await watching.changed()] == [0]


async def test_whoever_missed_too_much_is_told_all_anew(autojump_clock: MockClock) -> None:
    bench, jobs = Bench(), SupervisorRef.unbound("jobs")
    async with planted(bench, jobs) as tree:
        topic = TreeTopic(tree)
        slow, quick = Watching(topic), Watching(topic)
        await slow.ask()
        await quick.ask()
        for number in range(tree_topic.KEPT + 1):
            await jobs.start_child(bench.spec(f"j{number}"))
            if number % 100 == 0:
                await quick.changed()
        await quick.changed()
        (anew,) = await slow.ask()
        assert anew.whole
        assert len(anew.nodes) == 3 + SHOWN
        assert anew.nodes[2].children == tree_topic.KEPT + 1


async def test_nobody_watches_and_nothing_is_done(autojump_clock: MockClock) -> None:
    bench, jobs = Bench(), SupervisorRef.unbound("jobs")
    async with planted(bench, jobs) as tree:
        topic = TreeTopic(tree)
        watching = Watching(topic)
        await watching.ask()
        assert tree.observers.watched()
        topic.watchers -= 1
        await jobs.start_child(bench.spec("j"))
        assert not tree.observers.watched()
        (event,) = await Watching(topic).ask()
        assert event.whole
        assert event.nodes[-1].path == "coordinator/jobs/j"
        # One that slept meanwhile is not told of some of it only.
        assert (await watching.ask())[0].whole
