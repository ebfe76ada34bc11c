"""What can be seen of a tree, and crashing a part of it on purpose."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
import trio

from dffmpeg.supervisors import (
    Backoff,
    ChildKind,
    ChildSpec,
    DynamicSupervisor,
    NotFound,
    Supervisor,
    SupervisorRef,
    open_tree,
)

from .kit import Bench, Boom, Crash, Ping, settle

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_the_tree_as_data(bench: Bench, autojump_clock: MockClock) -> None:
    jobs, root = SupervisorRef.unbound("jobs"), SupervisorRef.unbound("root")
    children = [bench.spec("a", backoff=Backoff(5, 5, 0)), ChildSpec("jobs", DynamicSupervisor, ref=jobs)]
    async with open_tree(Supervisor(children), name="root", ref=root) as tree:
        await jobs.start_child(bench.spec("j1"))
        await trio.sleep(10)
        await bench.send("a", Crash(Boom("two\nlines")))
        node = tree.tree()
        assert (node.id, node.kind, node.state.value, node.uptime) == (
            "root",
            ChildKind.SUPERVISOR,
            "running",
            10,
        )
        a, dynamic = node.children
        assert (a.id, a.kind, a.state.value, a.restarts, a.uptime) == (
            "a",
            ChildKind.ACTOR,
            "restarting",
            0,
            0,
        )
        assert a.last_crash is not None
        assert a.last_crash.text == "Boom: two lines"
        assert (a.mailbox_depth, a.mailbox_capacity) == (0, 128)
        await bench.refs["a"].tell(Ping())
        assert root.tree()[0].mailbox_depth == 1
        assert (dynamic.kind, dynamic.mailbox_capacity) == (ChildKind.DYNAMIC_SUPERVISOR, 0)
        assert [(job.id, job.uptime) for job in dynamic.children] == [("j1", 10)]
        await trio.sleep(6)
        a = tree.tree().children[0]
        assert (a.state.value, a.restarts, a.uptime) == ("running", 1, 1)
        assert (
            json.loads(json.dumps(dataclasses.asdict(a), default=str))["last_crash"]["text"]
            == "Boom: two lines"
        )


async def test_a_long_crash_is_cut_to_one_bounded_line(bench: Bench, autojump_clock: MockClock) -> None:
    async with open_tree(Supervisor([bench.spec("a")], intensity=9), name="root") as tree:
        await bench.send("a", Crash(Boom("x" * 10_000)))
        long = tree.tree().children[0].last_crash
        assert long is not None
        assert len(long.text) == 500
        await bench.send("a", Crash(ExceptionGroup("both", [Boom("one"), Boom()])))
        group = tree.tree().children[0].last_crash
        assert group is not None
        assert group.text == "ExceptionGroup: both [Boom: one; Boom]"


async def test_crash_child_by_path(bench: Bench, autojump_clock: MockClock) -> None:
    jobs, root = SupervisorRef.unbound("jobs"), SupervisorRef.unbound("root")
    children = [bench.spec("a"), ChildSpec("jobs", DynamicSupervisor, ref=jobs)]
    async with open_tree(Supervisor(children, intensity=9), name="root", ref=root) as tree:
        await jobs.start_child(bench.spec("j1"))
        tree.crash_child("root/a")
        root.crash_child("jobs/j1")
        await settle()
        assert [node.restarts for node in (*tree.tree().children, tree.tree().children[1].children[0])] == [
            1,
            0,
            1,
        ]
        tree.crash_child("root/jobs")
        await settle()
        assert tree.tree().children[1].restarts == 1
        assert tree.tree().children[1].last_crash is not None
        for path in ("root", "other/a", "root/x", "root/a/b", "root/jobs/j1", ""):
            with pytest.raises(NotFound):
                tree.crash_child(path)


async def test_crashing_a_static_supervisor_stops_its_children_in_order(
    bench: Bench, autojump_clock: MockClock
) -> None:
    def inner() -> Supervisor:
        return Supervisor([bench.spec("a"), bench.spec("b")])

    async with open_tree(Supervisor([ChildSpec("inner", inner)]), name="root") as tree:
        tree.crash_child("root/inner")
        await settle()
        assert bench.read() == ["+a", "+b", "-b", "-a", "+a", "+b"]


async def test_nothing_runs_where_a_child_waits_for_its_restart(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with open_tree(Supervisor([bench.spec("a", backoff=Backoff(5, 5))]), name="root") as tree:
        await bench.send("a", Crash())
        with pytest.raises(NotFound):
            tree.crash_child("root/a")
