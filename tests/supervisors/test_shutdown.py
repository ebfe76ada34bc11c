"""Stopping: order, grace, brutal, infinity; significant children."""

# ruff: noqa: PT012 - what is raised comes out of the tree's whole block

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from dffmpeg.actors import Actor, ActorRef
from dffmpeg.supervisors import (
    AutoShutdown,
    ChildSpec,
    DynamicSupervisor,
    Restart,
    RestartIntensityExceeded,
    Shutdown,
    Strategy,
    Supervisor,
    SupervisorNotRunning,
    SupervisorRef,
    open_tree,
    run_tree,
)

from .kit import Bench, Boom, Crash, Finish, Probe, leaves, settle

if TYPE_CHECKING:
    from trio.testing import MockClock


async def hang(probe: Probe) -> None:
    probe.diary.append(f"stopping {probe.id}")
    await trio.sleep_forever()


async def linger(probe: Probe) -> None:
    await trio.sleep(3600)


@pytest.mark.parametrize(
    ("shutdown", "seconds"), [(None, 5.0), (2.0, 2.0), (0.5, 0.5), (Shutdown.BRUTAL, 0.0)]
)
async def test_a_child_that_hangs_in_stop_is_cancelled_after_its_grace(
    shutdown: float | Shutdown | None,
    seconds: float,
    bench: Bench,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    children = [bench.spec("a"), bench.spec("b", shutdown=shutdown, on_stop=hang), bench.spec("c")]
    async with open_tree(Supervisor(children), name="root"):
        bench.read()
        begun = trio.current_time()
    assert trio.current_time() - begun == pytest.approx(seconds)
    diary = bench.read()
    assert [entry for entry in diary if entry != "stopping b"] == ["-c", "-b", "-a"]
    assert ("stopping b" in diary) is (seconds > 0)
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings == (
        [] if shutdown is Shutdown.BRUTAL else [f"root/b did not stop within {seconds:g} s and is cancelled"]
    )


async def test_infinity_waits(bench: Bench, autojump_clock: MockClock) -> None:
    async with open_tree(
        Supervisor([bench.spec("a", shutdown=Shutdown.INFINITY, on_stop=linger)]), name="root"
    ):
        begun = trio.current_time()
    assert trio.current_time() - begun == 3600


async def test_a_supervisor_has_infinity_unless_told_otherwise(
    bench: Bench, autojump_clock: MockClock
) -> None:
    def inner() -> Supervisor:
        return Supervisor([bench.spec("a", shutdown=100, on_stop=hang)])

    async with open_tree(Supervisor([ChildSpec("inner", inner)]), name="root"):
        begun = trio.current_time()
    assert trio.current_time() - begun == 100
    async with open_tree(Supervisor([ChildSpec("inner", inner, shutdown=10)]), name="root"):
        begun = trio.current_time()
    assert trio.current_time() - begun == 10


async def test_a_hanging_handler_is_cancelled_after_the_grace_in_a_group_restart(
    bench: Bench, autojump_clock: MockClock
) -> None:
    children = [bench.spec("a"), bench.spec("b", on_stop=hang)]
    async with open_tree(Supervisor(children, strategy=Strategy.ONE_FOR_ALL), name="root"):
        bench.read()
        await bench.send("a", Crash())
        assert bench.read() == ["-a", "stopping b"]
        await trio.sleep(5.1)
        assert bench.read() == ["-b", "+a", "+b"]


async def test_a_stop_in_the_middle_of_a_group_restart(bench: Bench, autojump_clock: MockClock) -> None:
    children = [bench.spec("a"), bench.spec("b"), bench.spec("c", on_stop=hang)]
    async with open_tree(Supervisor(children, strategy=Strategy.ONE_FOR_ALL), name="root"):
        bench.read()
        await bench.send("a", Crash())
        begun = trio.current_time()
        await trio.sleep(2)
    assert trio.current_time() - begun == pytest.approx(5), "the grace began when the child was first asked"
    assert bench.read() == ["-a", "stopping c", "-c", "-b"]


async def test_a_crash_while_stopping_does_not_restart(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash_a(probe: Probe) -> None:
        await bench.send("a", Crash())

    async with open_tree(Supervisor([bench.spec("a"), bench.spec("b", on_stop=crash_a)]), name="root"):
        bench.read()
    assert bench.read() == ["-a", "-b"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_crash_while_the_supervisor_gives_up_is_in_the_log(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(probe: Probe) -> None:
        raise Boom("second")

    with pytest.raises(RestartIntensityExceeded) as raised:
        async with open_tree(
            Supervisor([bench.spec("a"), bench.spec("b", on_stop=crash)], intensity=0), name="root"
        ):
            await bench.send("a", Crash(Boom("first")))
            await trio.sleep_forever()
    assert [str(leaf) for leaf in leaves(raised.value)] == ["first"]
    assert "root/b crashed: Boom: second" in [record.getMessage() for record in caplog.records]


async def test_the_block_is_stopped_gracefully_when_it_raises(
    bench: Bench, autojump_clock: MockClock
) -> None:
    stopped = []

    async def note(probe: Probe) -> None:
        stopped.append(probe.id)

    with pytest.raises(Boom):
        async with open_tree(Supervisor([bench.spec("a", on_stop=note)]), name="root"):
            raise Boom("block")
    assert stopped == ["a"]


async def test_run_tree_starts_when_ready_and_returns_when_stopped(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async def slow(probe: Probe) -> None:
        await trio.sleep(7)

    async with trio.open_nursery() as nursery:
        run: Any = run_tree

        async def start(task_status: trio.TaskStatus[Any]) -> None:
            await run(Supervisor([bench.spec("a", on_start=slow)]), name="root", task_status=task_status)

        begun = trio.current_time()
        tree = await nursery.start(start)
        assert trio.current_time() - begun == 7
        tree.stop()
    assert bench.read() == ["+a", "-a"]
    assert tree.tree().state.value == "stopped"


async def test_a_crash_on_being_cancelled_is_in_the_log(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail_when_cancelled(probe: Probe) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise Boom("cleanup")

    async with open_tree(
        Supervisor([bench.spec("a"), bench.spec("b", on_stop=fail_when_cancelled)]), name="root"
    ):
        bench.read()
    assert bench.read() == ["-b", "-a"]
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info is not None]
    assert [str(leaf) for error in errors if error is not None for leaf in leaves(error)] == ["cleanup"]


async def test_a_crash_in_a_cancelled_tree_is_in_the_log_and_the_cancellation_goes_on(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise Boom("cleanup")

    async def begin(probe: Probe) -> None:
        probe.context.nursery.start_soon(fail_when_cancelled)

    with trio.CancelScope() as scope:
        async with open_tree(Supervisor([bench.spec("a", on_start=begin), bench.spec("b")]), name="root"):
            await settle()
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert ["Boom: cleanup" in record.getMessage() for record in caplog.records] == [True]


async def test_a_child_that_waits_for_a_command_can_stop(bench: Bench, autojump_clock: MockClock) -> None:
    ref = SupervisorRef.unbound("root")

    class Growing(Actor[Any]):
        async def handle(self, message: Any) -> object:
            with pytest.raises(SupervisorNotRunning):
                await ref.start_child(bench.spec("sibling"))
            return None

    async def hang_in_restart(probe: Probe) -> None:
        if probe.number == 2:
            await trio.sleep_forever()

    growing: ActorRef[Any] = ActorRef.unbound("growing")
    children = [ChildSpec("growing", Growing, ref=growing), bench.spec("b", on_start=hang_in_restart)]
    async with open_tree(Supervisor(children), name="root", ref=ref):
        await bench.send("b", Crash())
        await growing.tell("grow")
        await settle()
        begun = trio.current_time()
    assert trio.current_time() == begun


# Significant children (OTP: auto_shutdown)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("auto_shutdown", [AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT])
@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
@pytest.mark.parametrize("crashes", [False, True])
async def test_significant_children(
    dynamic: bool,
    auto_shutdown: AutoShutdown,
    restart: Restart,
    crashes: bool,
    bench: Bench,
    autojump_clock: MockClock,
) -> None:
    specs = [bench.spec(id_, restart=restart, significant=True) for id_ in "ab"]
    specs.append(bench.spec("c", restart=Restart.TEMPORARY))
    ref = SupervisorRef.unbound("root")
    root: Supervisor | DynamicSupervisor
    root = (
        DynamicSupervisor(auto_shutdown=auto_shutdown)
        if dynamic
        else Supervisor([], auto_shutdown=auto_shutdown)
    )
    ending = Crash if crashes else Finish
    stays_up = crashes and restart is Restart.TRANSIENT
    async with open_tree(root, name="root", ref=ref) as tree:
        for spec in specs:
            await ref.start_child(spec)
        await bench.send("c", Finish())
        assert tree.tree().state.value == "running", "c is not significant"
        await bench.send("a", ending())
        up_after_one = stays_up or auto_shutdown is AutoShutdown.ALL_SIGNIFICANT
        assert (tree.tree().state.value == "running") is up_after_one
        if up_after_one:
            await bench.send("b", ending())
            assert (tree.tree().state.value == "running") is stays_up
        if not stays_up:
            await tree.wait()
    assert not any(bench.refs[id_].alive for id_ in "abc")


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_a_significant_child_stopped_by_its_supervisor_does_not_count(
    strategy: Strategy, bench: Bench, autojump_clock: MockClock
) -> None:
    ref = SupervisorRef.unbound("root")
    children = [bench.spec("a"), bench.spec("b", restart=Restart.TEMPORARY, significant=True)]
    children.append(bench.spec("c", restart=Restart.TRANSIENT, significant=True))
    root = Supervisor(children, strategy=strategy, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    async with open_tree(root, name="root", ref=ref) as tree:
        await bench.send("a", Crash())
        await ref.terminate_child("c")
        assert [(node.id, node.state.value) for node in tree.tree().children] == [
            ("a", "running"),
            ("c", "stopped"),
        ]


@pytest.mark.parametrize(("restart", "comes_back"), [(Restart.PERMANENT, True), (Restart.TRANSIENT, False)])
async def test_an_auto_shutdown_is_a_normal_exit_to_the_supervisor_above(
    restart: Restart, comes_back: bool, bench: Bench, autojump_clock: MockClock
) -> None:
    def inner() -> Supervisor:
        spec = bench.spec("a", restart=Restart.TRANSIENT, significant=True)
        return Supervisor(
            [bench.spec("b"), spec, bench.spec("c")], auto_shutdown=AutoShutdown.ANY_SIGNIFICANT
        )

    async with open_tree(Supervisor([ChildSpec("inner", inner, restart=restart)]), name="root"):
        await bench.send("a", Finish())
        assert bench.read() == ["+b", "+a", "+c", "-a", "-c", "-b"] + (
            ["+b", "+a", "+c"] if comes_back else []
        )


async def test_a_significant_sibling_whose_crash_is_not_yet_seen_is_still_active(
    bench: Bench, autojump_clock: MockClock
) -> None:
    specs = [bench.spec(id_, restart=Restart.TRANSIENT, significant=True) for id_ in "ab"]
    root = Supervisor(specs, auto_shutdown=AutoShutdown.ALL_SIGNIFICANT)
    ref = SupervisorRef.unbound("root")
    gate = trio.Event()

    async def wait(probe: Probe) -> None:
        await gate.wait()

    async with open_tree(root, name="root", ref=ref) as tree, trio.open_nursery() as nursery:
        nursery.start_soon(ref.start_child, bench.spec("slow", on_start=wait))
        await settle()
        await bench.send("a", Finish())
        await bench.send("b", Crash())
        gate.set()
        await settle()
        assert tree.tree().state.value == "running"
        assert bench.refs["b"].alive


async def test_specs_that_contradict_themselves_are_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="significant"):
        bench.spec("a", significant=True)
    with pytest.raises(ValueError, match="auto_shutdown"):
        Supervisor([bench.spec("a", restart=Restart.TEMPORARY, significant=True)])
    with pytest.raises(ValueError, match="two children"):
        Supervisor([bench.spec("a"), bench.spec("a")])
    for id_ in ("", "a/b"):
        with pytest.raises(ValueError, match="not a child id"):
            bench.spec(id_)
    for intensity, period in ((-1, 5.0), (1, 0.0)):
        with pytest.raises(ValueError, match="intensity"):
            Supervisor([], intensity=intensity, period=period)
