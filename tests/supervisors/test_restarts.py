"""Group restarts, intensity and escalation, backoff, failing starts."""

# ruff: noqa: PT012 - what is raised comes out of the tree's whole block

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from dffmpeg.supervisors import (
    Backoff,
    ChildSpec,
    ChildStartFailed,
    Restart,
    RestartIntensityExceeded,
    Strategy,
    Supervisor,
    SupervisorRef,
    UnexpectedExit,
    open_tree,
)

from .kit import Bench, Boom, Crash, Finish, Ping, Probe, leaves, settle

if TYPE_CHECKING:
    from trio.testing import MockClock


@pytest.mark.parametrize(
    ("strategy", "failed", "expected"),
    [
        (Strategy.ONE_FOR_ALL, "a", "-a -d -c -b +a +b +d"),
        (Strategy.ONE_FOR_ALL, "d", "-d -c -b -a +a +b +d"),
        (Strategy.REST_FOR_ONE, "a", "-a -d -c -b +a +b +d"),
        (Strategy.REST_FOR_ONE, "b", "-b -d -c +b +d"),
        (Strategy.REST_FOR_ONE, "d", "-d +d"),
        (Strategy.ONE_FOR_ONE, "b", "-b +b"),
    ],
)
async def test_a_temporary_bystander_is_stopped_and_forgotten(
    strategy: Strategy, failed: str, expected: str, bench: Bench, autojump_clock: MockClock
) -> None:
    children = [
        bench.spec("a"),
        bench.spec("b", restart=Restart.TRANSIENT),
        bench.spec("c", restart=Restart.TEMPORARY),
        bench.spec("d"),
    ]
    async with open_tree(Supervisor(children, strategy=strategy), name="root") as tree:
        bench.read()
        await bench.send(failed, Crash())
        assert bench.read() == expected.split()
        assert ("c" in [node.id for node in tree.tree().children]) is ("-c" not in expected)


@pytest.mark.parametrize("down_by", ["normal exit", "terminate_child"])
async def test_a_group_restart_starts_those_that_were_down(
    down_by: str, bench: Bench, autojump_clock: MockClock
) -> None:
    ref = SupervisorRef.unbound("root")
    children = [bench.spec("a"), bench.spec("b", restart=Restart.TRANSIENT)]
    async with open_tree(Supervisor(children, strategy=Strategy.ONE_FOR_ALL), name="root", ref=ref):
        if down_by == "terminate_child":
            await ref.terminate_child("b")
        else:
            await bench.send("b", Finish())
        assert not bench.refs["b"].alive
        bench.read()
        await bench.send("a", Crash())
        assert bench.read() == ["-a", "+a", "+b"]
        assert await bench.refs["b"].ask(Ping(), 1) == 2


async def test_too_many_restarts_stop_everything_and_carry_the_crashes(
    bench: Bench, autojump_clock: MockClock
) -> None:
    with pytest.raises(RestartIntensityExceeded, match=r"root: more than 2 restarts in 10 s") as raised:
        async with open_tree(
            Supervisor([bench.spec("a"), bench.spec("b")], intensity=2, period=10), name="root"
        ):
            for number in range(3):
                await bench.send("a", Crash(Boom(str(number))))
            await trio.sleep_forever()
    assert [str(leaf) for leaf in leaves(raised.value)] == ["0", "1", "2"]
    assert bench.read() == ["+a", "+b", "-a", "+a", "-a", "+a", "-a", "-b"]


async def test_restarts_that_are_far_apart_are_not_too_many(bench: Bench, autojump_clock: MockClock) -> None:
    async with open_tree(Supervisor([bench.spec("a")], intensity=1, period=5), name="root") as tree:
        for _ in range(10):
            await bench.send("a", Crash())
            await trio.sleep(5.1)
        assert tree.tree().children[0].restarts == 10


async def test_escalation_restarts_the_supervisor_and_then_ends_the_root(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    inner = SupervisorRef.unbound("inner")

    def make_inner() -> Supervisor:
        return Supervisor([bench.spec("a"), bench.spec("b")], intensity=1)

    root = Supervisor(
        [bench.spec("x"), ChildSpec("inner", make_inner, ref=inner), bench.spec("y")], intensity=1
    )
    with pytest.raises(RestartIntensityExceeded) as raised:
        async with open_tree(root, name="root") as tree:
            bench.read()
            await bench.send("a", Crash(Boom("1")))
            assert bench.read() == ["-a", "+a"]
            await bench.send("a", Crash(Boom("2")))
            assert bench.read() == ["-a", "-b", "+a", "+b"]
            node = tree.tree().children[1]
            assert (node.restarts, node.children[0].restarts) == (1, 0)
            assert node.last_crash is not None
            assert "Boom: 2" in node.last_crash.text
            assert inner.running
            assert await bench.refs["a"].ask(Ping(), 1) == 3
            await bench.send("a", Crash(Boom("3")))
            await bench.send("b", Crash(Boom("4")))
            await trio.sleep_forever()
    assert bench.read() == ["-a", "+a", "-b", "-a", "-y", "-x"]
    assert [str(leaf) for leaf in leaves(raised.value)] == ["1", "2", "3", "4"]
    assert not inner.running


async def test_group_restart_of_a_supervisor_among_actors(bench: Bench, autojump_clock: MockClock) -> None:
    def make_inner() -> Supervisor:
        return Supervisor([bench.spec("b"), bench.spec("c")])

    root = Supervisor([bench.spec("a"), ChildSpec("inner", make_inner)], strategy=Strategy.REST_FOR_ONE)
    async with open_tree(root, name="root"):
        await bench.send("a", Crash())
        assert bench.read() == ["+a", "+b", "+c", "-a", "-c", "-b", "+a", "+b", "+c"]
        assert await bench.refs["c"].ask(Ping(), 1) == 2


async def test_crashes_of_two_siblings_at_once_make_one_group_restart(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    children = [bench.spec("a"), bench.spec("b"), bench.spec("c")]
    async with open_tree(Supervisor(children, strategy=Strategy.ONE_FOR_ALL, intensity=1), name="root"):
        bench.read()
        bench.refs["a"].tell_nowait(Crash(Boom("a")))
        bench.refs["c"].tell_nowait(Crash(Boom("c")))
        await settle()
        assert sorted(bench.read()[:2]) == ["-a", "-c"]
        assert bench.made == {"a": 2, "b": 2, "c": 2}
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 2


async def test_a_crash_during_a_group_restart_of_one_already_restarted(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async def crash_a(probe: Probe) -> None:
        if probe.number == 2:
            await bench.send("a", Crash())

    children = [bench.spec("a"), bench.spec("b", on_start=crash_a)]
    async with open_tree(Supervisor(children, strategy=Strategy.ONE_FOR_ALL), name="root"):
        await bench.send("b", Crash())
        await settle()
        assert bench.read() == ["+a", "+b", "-b", "-a", "+a", "+b", "-a", "-b", "+a", "+b"]


# Backoff


async def test_backoff_grows_and_is_reset_by_a_long_life(bench: Bench, autojump_clock: MockClock) -> None:
    backoff = Backoff(1.0, 4.0, jitter=0.0, reset_after=100.0)
    async with open_tree(
        Supervisor([bench.spec("a", backoff=backoff)], intensity=0, period=0.5), name="root"
    ):
        pass
    async with open_tree(Supervisor([bench.spec("a", backoff=backoff)], intensity=9), name="root") as tree:
        waits = []
        for life in [0.0, 0.0, 0.0, 0.0, 100.0]:
            await trio.sleep(life)
            await bench.send("a", Crash())
            begun = trio.current_time()
            assert tree.tree().children[0].state.value == "restarting"
            await bench.refs["a"].ask(Ping(), 10)
            waits.append(trio.current_time() - begun)
    assert waits == pytest.approx([1.0, 2.0, 4.0, 4.0, 1.0])


async def test_backoff_of_a_group_stops_it_at_once_and_waits_once(
    bench: Bench, autojump_clock: MockClock
) -> None:
    children = [bench.spec("a"), bench.spec("b", backoff=Backoff(10, 10, jitter=0)), bench.spec("c")]
    async with open_tree(Supervisor(children, strategy=Strategy.REST_FOR_ONE), name="root") as tree:
        bench.read()
        await bench.send("b", Crash())
        assert bench.read() == ["-b", "-c"]
        assert [node.state.value for node in tree.tree().children] == ["running", "restarting", "restarting"]
        await bench.send("a", Crash())
        assert bench.read() == ["-a", "+a", "+b", "+c"], "the wider group takes the waiting one along"
        await trio.sleep(20)
        assert bench.read() == []


async def test_a_wider_group_that_waits_longer_replaces_the_wait(
    bench: Bench, autojump_clock: MockClock
) -> None:
    children = [bench.spec("a", backoff=Backoff(10, 10, 0)), bench.spec("b", backoff=Backoff(5, 5, 0))]
    async with open_tree(Supervisor(children, strategy=Strategy.REST_FOR_ONE), name="root"):
        await bench.send("b", Crash())
        await trio.sleep(3)
        await bench.send("a", Crash())
        bench.read()
        await trio.sleep(9)
        assert bench.read() == []
        await trio.sleep(2)
        assert bench.read() == ["+a", "+b"]


async def test_a_stop_does_not_wait_for_a_backoff(bench: Bench, autojump_clock: MockClock) -> None:
    children = [bench.spec("a"), bench.spec("b", backoff=Backoff(1000, 1000))]
    async with open_tree(Supervisor(children), name="root"):
        await bench.send("b", Crash())
        bench.read()
        begun = trio.current_time()
    assert trio.current_time() == begun
    assert bench.read() == ["-a"]


async def test_independent_backoffs_run_side_by_side(bench: Bench, autojump_clock: MockClock) -> None:
    children = [bench.spec("a", backoff=Backoff(5, 5, 0)), bench.spec("b", backoff=Backoff(2, 2, 0))]
    async with open_tree(Supervisor(children), name="root"):
        await bench.send("a", Crash())
        await bench.send("b", Crash())
        bench.read()
        await trio.sleep(2.5)
        assert bench.read() == ["+b"]
        await trio.sleep(3)
        assert bench.read() == ["+a"]


# Failing starts


async def test_a_failing_first_start_stops_those_already_started(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async def refuse(probe: Probe) -> None:
        raise Boom("start")

    children = [bench.spec("a"), bench.spec("b"), bench.spec("c", on_start=refuse), bench.spec("d")]
    with pytest.raises(ChildStartFailed, match="root/c failed to start") as raised:
        async with open_tree(Supervisor(children), name="root"):
            pytest.fail("the block must not be entered")
    assert [str(leaf) for leaf in leaves(raised.value)] == ["start"]
    assert bench.read() == ["+a", "+b", "+c", "-b", "-a"]


async def test_a_failing_factory_is_a_failing_start(bench: Bench, autojump_clock: MockClock) -> None:
    def make() -> Supervisor:
        raise Boom("factory")

    with pytest.raises(ChildStartFailed) as raised:
        async with open_tree(Supervisor([bench.spec("a"), ChildSpec("b", make)]), name="root"):
            pytest.fail("the block must not be entered")
    assert [type(leaf) for leaf in leaves(raised.value)] == [Boom]
    assert bench.read() == ["+a", "-a"]


async def test_a_failing_first_start_two_levels_down(bench: Bench, autojump_clock: MockClock) -> None:
    async def refuse(probe: Probe) -> None:
        raise Boom("start")

    def make_inner() -> Supervisor:
        return Supervisor([bench.spec("b"), bench.spec("c", on_start=refuse)])

    with pytest.raises(ChildStartFailed, match="root/inner") as raised:
        async with open_tree(Supervisor([bench.spec("a"), ChildSpec("inner", make_inner)]), name="root"):
            pytest.fail("the block must not be entered")
    assert [type(leaf) for leaf in leaves(raised.value)] == [Boom]
    assert bench.read() == ["+a", "+b", "+c", "-b", "-a"]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, "-b +b +b"),
        (Strategy.REST_FOR_ONE, "-b -c +b +b +c"),
        (Strategy.ONE_FOR_ALL, "-b -c -a +a +b -a +a +b +c"),
    ],
)
async def test_a_restart_that_fails_once_is_tried_again(
    strategy: Strategy, expected: str, bench: Bench, autojump_clock: MockClock
) -> None:
    async def refuse_second(probe: Probe) -> None:
        if probe.number == 2:
            raise Boom("start")

    children = [bench.spec("a"), bench.spec("b", on_start=refuse_second), bench.spec("c")]
    async with open_tree(Supervisor(children, strategy=strategy, intensity=2), name="root"):
        bench.read()
        await bench.send("b", Crash())
        assert bench.read() == expected.split()


@pytest.mark.parametrize("strategy", Strategy)
async def test_a_failing_later_member_of_the_group(
    strategy: Strategy, bench: Bench, autojump_clock: MockClock
) -> None:
    async def refuse_second(probe: Probe) -> None:
        if probe.number == 2:
            raise Boom("start")

    children = [bench.spec("a"), bench.spec("b", on_start=refuse_second)]
    async with open_tree(Supervisor(children, strategy=strategy, intensity=2), name="root") as tree:
        bench.read()
        await bench.send("a", Crash())
        assert (
            bench.read()
            == {
                Strategy.ONE_FOR_ONE: ["-a", "+a"],
                Strategy.REST_FOR_ONE: ["-a", "-b", "+a", "+b", "+b"],
                Strategy.ONE_FOR_ALL: ["-a", "-b", "+a", "+b", "-a", "+a", "+b"],
            }[strategy]
        )
        assert [node.state.value for node in tree.tree().children] == ["running", "running"]


@pytest.mark.parametrize("strategy", Strategy)
async def test_a_restart_that_keeps_failing_escalates(
    strategy: Strategy, bench: Bench, autojump_clock: MockClock
) -> None:
    async def refuse_again(probe: Probe) -> None:
        if probe.number > 1:
            raise Boom(f"start {probe.number}")

    children = [bench.spec("a"), bench.spec("b", on_start=refuse_again)]
    with pytest.raises(RestartIntensityExceeded) as raised:
        async with open_tree(Supervisor(children, strategy=strategy, intensity=2), name="root"):
            await bench.send("b", Crash(Boom("first")))
            await trio.sleep_forever()
    assert [str(leaf) for leaf in leaves(raised.value)] == ["first", "start 2", "start 3"]


async def test_a_stop_does_not_wait_for_a_start_that_hangs(bench: Bench, autojump_clock: MockClock) -> None:
    async def hang_second(probe: Probe) -> None:
        if probe.number == 2:
            await trio.sleep_forever()

    async with open_tree(
        Supervisor([bench.spec("a"), bench.spec("b", on_start=hang_second)]), name="root"
    ) as tree:
        await bench.send("b", Crash())
        assert tree.tree().children[1].state.value == "starting"
        begun = trio.current_time()
    assert trio.current_time() == begun


async def test_what_ends_before_it_is_ready_has_failed_to_start(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async def finish(probe: Probe) -> None:
        probe.context.nursery.cancel_scope.cancel()
        await trio.lowlevel.checkpoint()

    with pytest.raises(ChildStartFailed) as raised:
        async with open_tree(Supervisor([bench.spec("a", on_start=finish)]), name="root"):
            pytest.fail("the block must not be entered")
    assert isinstance(leaves(raised.value)[0], UnexpectedExit)
