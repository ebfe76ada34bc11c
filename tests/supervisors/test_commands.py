"""Commands to static and dynamic supervisors, with OTP's error cases."""

# ruff: noqa: PT012 - what is raised comes out of the tree's whole block

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
import trio

from dffmpeg.actors import Actor, ActorRef, ActorStopped
from dffmpeg.supervisors import (
    AlreadyPresent,
    AlreadyStarted,
    Backoff,
    ChildSpec,
    ChildStartFailed,
    DynamicSupervisor,
    MaxChildren,
    NotFound,
    Restart,
    Restarting,
    RestartIntensityExceeded,
    Running,
    Supervisor,
    SupervisorNotRunning,
    SupervisorRef,
    open_tree,
)

from .kit import Bench, Boom, Crash, Finish, Ping, Probe, leaves, settle

if TYPE_CHECKING:
    from trio.testing import MockClock


@pytest.fixture
def ref() -> SupervisorRef:
    return SupervisorRef.unbound("root")


async def refuse(probe: Probe) -> None:
    raise Boom("start")


async def hang(probe: Probe) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize("make", [lambda: Supervisor([]), DynamicSupervisor])
async def test_start_child(make: Any, ref: SupervisorRef, bench: Bench, autojump_clock: MockClock) -> None:
    async with open_tree(make(), name="root", ref=ref):
        child = await ref.start_child(bench.spec("a"))
        assert child == bench.refs["a"] == ref.find("a")
        assert await child.ask(Ping(), 1) == 1
        with pytest.raises(AlreadyStarted) as raised:
            await ref.start_child(bench.spec("a"))
        assert raised.value.ref == child
        with pytest.raises(ChildStartFailed) as failed:
            await ref.start_child(bench.spec("b", on_start=refuse))
        assert [type(leaf) for leaf in leaves(failed.value)] == [Boom]
        assert ref.find("b") is None
        assert not bench.refs["b"].alive
        with pytest.raises(ActorStopped):
            await bench.refs["b"].ask(Ping(), 1)
        await ref.start_child(bench.spec("c"))
        assert [info.id for info in ref.which_children()] == ["a", "c"]
        counts = ref.count_children()
        assert (counts.specs, counts.active, counts.supervisors, counts.workers) == (2, 2, 0, 2)
        await bench.send("a", Crash())
        assert await child.ask(Ping(), 1) == 2


@pytest.mark.parametrize("make", [lambda: Supervisor([]), DynamicSupervisor])
async def test_a_mailbox_belongs_to_one_child(
    make: Any, ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    async with open_tree(make(), name="root", ref=ref):
        child = await ref.start_child(bench.spec("a"))
        thief = ChildSpec("b", bench.spec("a").start, ref=bench.refs["a"])
        with pytest.raises(ChildStartFailed):
            await ref.start_child(thief)
        assert await child.ask(Ping(), 1) == 1


async def test_static_children_by_command(
    ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    children = [bench.spec("a"), bench.spec("t", restart=Restart.TEMPORARY)]
    async with open_tree(Supervisor(children), name="root", ref=ref):
        for command in (ref.terminate_child, ref.restart_child, ref.delete_child):
            with pytest.raises(NotFound):
                await command("nobody")
        for command in (ref.restart_child, ref.delete_child):
            with pytest.raises(Running):
                await command("a")
        await ref.terminate_child("a")
        await ref.terminate_child("a")
        assert (ref.find("a"), ref.which_children()[0].state.value) == (None, "stopped")
        with pytest.raises(AlreadyPresent):
            await ref.start_child(bench.spec("a"))
        assert await (await ref.restart_child("a")).ask(Ping(), 1) == 2
        await ref.terminate_child("a")
        await ref.delete_child("a")
        await ref.terminate_child("t")
        assert ref.which_children() == []
        await ref.start_child(bench.spec("a"))
        assert await bench.refs["a"].ask(Ping(), 1) == 3


async def test_static_commands_to_a_child_that_is_being_restarted(
    ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    async with open_tree(Supervisor([bench.spec("a", backoff=Backoff(9, 9, 0))]), name="root", ref=ref):
        await bench.send("a", Crash())
        for command in (ref.restart_child, ref.delete_child):
            with pytest.raises(Restarting):
                await command("a")
        assert ref.find("a") == bench.refs["a"]
        await ref.terminate_child("a")
        await trio.sleep(20)
        assert bench.made["a"] == 1
        await ref.delete_child("a")


async def test_a_failing_restart_child_leaves_the_child_down(
    ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    async def refuse_second(probe: Probe) -> None:
        if probe.number == 2:
            raise Boom("start")

    async with open_tree(Supervisor([bench.spec("a", on_start=refuse_second)]), name="root", ref=ref):
        await ref.terminate_child("a")
        with pytest.raises(ChildStartFailed):
            await ref.restart_child("a")
        assert ref.which_children()[0].state.value == "stopped"
        await ref.restart_child("a")


async def test_a_transient_child_that_ended_can_be_restarted_by_command(
    ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    async with open_tree(Supervisor([bench.spec("a", restart=Restart.TRANSIENT)]), name="root", ref=ref):
        await bench.send("a", Finish())
        assert (await ref.restart_child("a")).alive


async def test_commands_to_a_supervisor_that_is_not_running(
    ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    for phase in ("before", "after"):
        with pytest.raises(SupervisorNotRunning):
            await ref.start_child(bench.spec("a"))
        with pytest.raises(SupervisorNotRunning):
            ref.which_children()
        assert ref.find("a") is None
        assert not ref.running
        if phase == "before":
            async with open_tree(Supervisor([]), name="root", ref=ref):
                assert ref.running


@pytest.mark.parametrize("make", [lambda: Supervisor([]), DynamicSupervisor])
async def test_a_command_that_the_end_overtakes(
    make: Any, ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    failures = []

    async def command() -> None:
        with pytest.raises(SupervisorNotRunning) as raised:
            await ref.start_child(bench.spec("a", on_start=hang))
        failures.append(raised.value)

    async with trio.open_nursery() as nursery, open_tree(make(), name="root", ref=ref):
        nursery.start_soon(command)
        await settle()
    assert len(failures) == 1


async def test_a_supervisors_handle_outlives_its_restart(bench: Bench, autojump_clock: MockClock) -> None:
    jobs = SupervisorRef.unbound("jobs")
    async with open_tree(Supervisor([ChildSpec("jobs", DynamicSupervisor, ref=jobs)]), name="root") as tree:
        await jobs.start_child(bench.spec("a"))
        tree.crash_child("root/jobs")
        await settle()
        assert jobs.which_children() == []
        assert not bench.refs["a"].alive
        await jobs.start_child(bench.spec("a"))
        assert await bench.refs["a"].ask(Ping(), 1) == 2


async def test_a_handle_of_the_wrong_kind_is_refused(bench: Bench, autojump_clock: MockClock) -> None:
    actor_ref: ActorRef[Any] = ActorRef.unbound("x")
    for spec in (
        ChildSpec("x", DynamicSupervisor, ref=actor_ref),
        ChildSpec("x", bench.spec("a").start, ref=SupervisorRef.unbound("x")),
    ):
        with pytest.raises(ChildStartFailed) as raised:
            async with open_tree(Supervisor([spec]), name="root"):
                pytest.fail("the block must not be entered")
        assert isinstance(leaves(raised.value)[0], TypeError)


@pytest.mark.parametrize("kind", ["actor", "supervisor"])
async def test_an_instance_lives_once(kind: str, autojump_clock: MockClock) -> None:
    actor, supervisor = Actor[Any](), Supervisor([])
    ref = SupervisorRef.unbound("root")
    spec = ChildSpec("x", lambda: actor if kind == "actor" else supervisor)
    async with open_tree(Supervisor([spec]), name="root", ref=ref):
        await ref.terminate_child("x")
        with pytest.raises(ChildStartFailed, match="failed to start"):
            await ref.restart_child("x")


# Dynamic


async def test_dynamic_children_go_when_they_end(
    ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    async with open_tree(DynamicSupervisor(), name="root", ref=ref):
        for id_, restart in (("a", Restart.TEMPORARY), ("b", Restart.TRANSIENT), ("c", Restart.PERMANENT)):
            await ref.start_child(bench.spec(id_, restart=restart))
            await bench.send(id_, Finish())
        assert [info.id for info in ref.which_children()] == ["c"]
        with pytest.raises(Running):
            await ref.restart_child("c")
        with pytest.raises(Running):
            await ref.delete_child("c")
        with pytest.raises(NotFound):
            await ref.terminate_child("a")
        await ref.terminate_child("c")
        assert ref.which_children() == []


async def test_dynamic_backoff(ref: SupervisorRef, bench: Bench, autojump_clock: MockClock) -> None:
    async with open_tree(DynamicSupervisor(), name="root", ref=ref):
        for id_ in "ab":
            await ref.start_child(bench.spec(id_, backoff=Backoff(9, 9, 0)))
            await bench.send(id_, Crash())
        with pytest.raises(Restarting):
            await ref.restart_child("a")
        with pytest.raises(AlreadyPresent):
            await ref.start_child(bench.spec("a"))
        await ref.terminate_child("a")
        await trio.sleep(10)
        assert bench.made == {"a": 1, "b": 2}
        await bench.send("b", Crash())
        begun = trio.current_time()
    assert trio.current_time() == begun


async def test_dynamic_intensity(ref: SupervisorRef, bench: Bench, autojump_clock: MockClock) -> None:
    with pytest.raises(RestartIntensityExceeded) as raised:
        async with open_tree(DynamicSupervisor(intensity=1), name="root", ref=ref):
            for id_ in "abc":
                await ref.start_child(bench.spec(id_))
            await bench.send("a", Crash(Boom("a")))
            await bench.send("b", Crash(Boom("b")))
            await trio.sleep_forever()
    assert [str(leaf) for leaf in leaves(raised.value)] == ["a", "b"]
    assert sorted(bench.read()) == sorted(["+a", "+b", "+c", "-a", "+a", "-b", "-a", "-c"])


async def test_a_dynamic_restart_that_fails_counts_again(
    ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    async def refuse_second(probe: Probe) -> None:
        if probe.number in (2, 3):
            raise Boom("start")

    async with open_tree(DynamicSupervisor(intensity=3), name="root", ref=ref) as tree:
        await ref.start_child(bench.spec("a", on_start=refuse_second))
        await bench.send("a", Crash())
        assert await bench.refs["a"].ask(Ping(), 1) == 4
        assert tree.tree().children[0].restarts == 3


async def test_a_slow_dynamic_child_holds_up_nobody(
    ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    async with open_tree(DynamicSupervisor(), name="root", ref=ref), trio.open_nursery() as nursery:
        nursery.start_soon(ref.start_child, bench.spec("slow", on_start=hang))
        await ref.start_child(bench.spec("stubborn", on_stop=hang))
        await settle()
        nursery.start_soon(ref.terminate_child, "stubborn")
        await settle()
        begun = trio.current_time()
        await ref.start_child(bench.spec("quick"))
        await ref.terminate_child("quick")
        assert trio.current_time() == begun
        nursery.cancel_scope.cancel()


async def test_a_cancelled_terminate_child_goes_on(
    ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    async with open_tree(DynamicSupervisor(), name="root", ref=ref):
        await ref.start_child(bench.spec("a", on_stop=hang))
        with trio.move_on_after(1):
            await ref.terminate_child("a")
        await trio.sleep(4.1)
        assert ref.which_children() == []


async def test_max_children(ref: SupervisorRef, bench: Bench, autojump_clock: MockClock) -> None:
    async with open_tree(DynamicSupervisor(max_children=1), name="root", ref=ref):
        await ref.start_child(bench.spec("a"))
        with pytest.raises(MaxChildren):
            await ref.start_child(bench.spec("b"))
        await ref.terminate_child("a")
        await ref.start_child(bench.spec("b"))


async def test_a_thousand_dynamic_children(
    ref: SupervisorRef, bench: Bench, autojump_clock: MockClock
) -> None:
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with open_tree(DynamicSupervisor(intensity=500), name="root", ref=ref) as tree:
        for number in range(1000):
            await ref.start_child(bench.spec(f"c{number}"))
        for number in range(0, 1000, 2):
            bench.refs[f"c{number}"].tell_nowait(Crash())
        await settle()
        nodes = tree.tree().children
        assert [node.restarts for node in nodes] == [1, 0] * 500
        assert {node.state.value for node in nodes} == {"running"}
    assert sorted(bench.made.values()) == [1] * 500 + [2] * 500
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    gc.collect()


async def test_a_deep_tree_stops_from_the_leaves_up(bench: Bench, autojump_clock: MockClock) -> None:
    def level(depth: int) -> Supervisor:
        children = [bench.spec(str(depth))]
        if depth < 50:
            children.append(ChildSpec("below", lambda: level(depth + 1)))
        return Supervisor(children)

    async with open_tree(level(0), name="root") as tree:
        tree.crash_child("root" + "/below" * 50 + "/50")
        await settle()
        assert bench.read() == [f"+{depth}" for depth in range(51)] + ["-50", "+50"]
    assert bench.read() == [f"-{depth}" for depth in reversed(range(51))]
