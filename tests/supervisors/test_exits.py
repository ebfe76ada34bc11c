"""The grid: restart type, kind of exit, strategy."""

# ruff: noqa: PT012 - what is raised comes out of the tree's whole block

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from dffmpeg.supervisors import Restart, Strategy, Supervisor, open_tree

from .kit import Bench, Boom, CancelSelf, Crash, CrashBackground, Finish, Ping, Probe, leaves, settle

if TYPE_CHECKING:
    from collections.abc import Callable

NORMAL: dict[str, Callable[[], object]] = {"return": Finish, "cancels itself": CancelSelf}
CRASHES: dict[str, Callable[[], object]] = {
    "handle": Crash,
    "group": lambda: Crash(ExceptionGroup("several", [Boom("one"), Boom("two")])),
    "background": CrashBackground,
}
GROUPS = {Strategy.ONE_FOR_ONE: "b", Strategy.ONE_FOR_ALL: "abc", Strategy.REST_FOR_ONE: "bc"}


def restart_trace(group: str) -> list[str]:
    """b has ended; its siblings are stopped right to left, then all started left to right."""
    stopped = [f"-{id_}" for id_ in reversed(group) if id_ != "b"]
    return ["-b", *stopped, *(f"+{id_}" for id_ in group)]


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("exit_", [*NORMAL, *CRASHES])
async def test_exit(
    strategy: Strategy,
    restart: Restart,
    exit_: str,
    bench: Bench,
    caplog: pytest.LogCaptureFixture,
    autojump_clock: trio.testing.MockClock,
) -> None:
    crashed = exit_ in CRASHES
    children = [bench.spec("a"), bench.spec("b", restart=restart), bench.spec("c")]
    async with open_tree(Supervisor(children, strategy=strategy), name="root") as tree:
        assert bench.read() == ["+a", "+b", "+c"]
        await bench.send("b", (NORMAL | CRASHES)[exit_]())

        restarted = restart is Restart.PERMANENT or (crashed and restart is Restart.TRANSIENT)
        assert bench.read() == (restart_trace(GROUPS[strategy]) if restarted else ["-b"])
        assert bench.refs["b"].alive is restarted
        states = {node.id: node.state.value for node in tree.tree().children}
        expected = {"a": "running", "b": "running" if restarted else "stopped", "c": "running"}
        if restart is Restart.TEMPORARY:
            del expected["b"]
        assert states == expected
        errors = [record for record in caplog.records if record.levelname == "ERROR"]
        assert len(errors) == crashed
        if crashed:
            assert errors[0].exc_info is not None
            assert "Boom" in errors[0].getMessage()
    remaining = ["a", "b", "c"] if restarted else ["a", "c"]
    assert bench.read() == [f"-{id_}" for id_ in reversed(remaining)]
    assert all(record.levelname != "WARNING" for record in caplog.records) is not restarted


@pytest.mark.parametrize("restart", Restart)
async def test_crash_in_stop_is_logged_and_does_not_hold_up_the_others(
    restart: Restart, bench: Bench, caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    async def crash(probe: Probe) -> None:
        raise Boom("stop")

    children = [bench.spec("a"), bench.spec("b", restart=restart, on_stop=crash)]
    async with open_tree(Supervisor(children), name="root"):
        bench.read()
    assert bench.read() == ["-b", "-a"]
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "root/b crashed: Boom: stop"
    ]


async def test_crash_in_stop_of_a_sibling_during_a_group_restart(
    bench: Bench, caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    async def crash(probe: Probe) -> None:
        if probe.number == 1:
            raise Boom("stop")

    children = [bench.spec("a"), bench.spec("b", on_stop=crash)]
    root = Supervisor(children, strategy=Strategy.ONE_FOR_ALL, intensity=1)
    async with open_tree(root, name="root"):
        await bench.send("a", Crash())
        assert await bench.refs["b"].ask(Ping(), 1) == 2
        assert bench.read() == ["+a", "+b", "-a", "-b", "+a", "+b"]
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 2


async def test_messages_behind_a_crash_are_kept(bench: Bench, autojump_clock: trio.testing.MockClock) -> None:
    async with open_tree(Supervisor([bench.spec("a")]), name="root"):
        bench.refs["a"].tell_nowait(Crash())
        assert await bench.refs["a"].ask(Ping(), 1) == 2


async def test_a_normal_end_of_a_permanent_child_counts_as_a_restart(
    bench: Bench, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(Exception, match="root/a ended normally")):
        async with open_tree(Supervisor([bench.spec("a")], intensity=0), name="root"):
            await bench.send("a", Finish())
            await trio.sleep_forever()


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
async def test_what_is_not_an_exception_goes_through_the_whole_tree(
    fatal: type[BaseException], bench: Bench, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        async with open_tree(Supervisor([bench.spec("a"), bench.spec("b")]), name="root"):
            await bench.send("a", Crash(fatal()))
            await trio.sleep_forever()
    assert [type(leaf) for leaf in leaves(raised.value)] == [fatal]
    assert sorted(bench.read()) == ["+a", "+b", "-a", "-b"]


async def test_a_crash_beside_what_is_not_an_exception_is_in_the_log(
    bench: Bench, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    both = BaseExceptionGroup("both", [KeyboardInterrupt(), Boom("beside")])
    with pytest.raises(BaseExceptionGroup) as raised:
        async with open_tree(Supervisor([bench.spec("a")]), name="root"):
            await bench.send("a", Crash(both))
            await trio.sleep_forever()
    assert [type(leaf) for leaf in leaves(raised.value)] == [KeyboardInterrupt]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "Boom: beside" in caplog.text


async def test_a_cancelled_tree_is_cancelled_without_a_crash(
    bench: Bench, caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    with trio.CancelScope() as scope:
        async with open_tree(Supervisor([bench.spec("a"), bench.spec("b")]), name="root"):
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert sorted(bench.read()) == ["+a", "+b", "-a", "-b"]
    assert caplog.records == []
    await settle()
