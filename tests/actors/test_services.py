"""Services, which override run(), and background tasks."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from dffmpeg.actors import Actor
from dffmpeg.supervisors import (
    ChildSpec,
    ChildStartFailed,
    Restart,
    Strategy,
    Supervisor,
    open_tree,
)


class Boom(Exception):
    pass


class Service(Actor[Any]):
    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def stop(self) -> None:
        self.log.append("stop")
        await trio.sleep(1)
        self.log.append("stopped")


class Ignorant(Service):
    """Never looks at the stop signal."""

    async def run(self) -> None:
        self.context.ready()
        try:
            await trio.sleep_forever()
        finally:
            self.log.append("run ended")


class Attentive(Service):
    """Returns by itself, some time after the signal."""

    async def run(self) -> None:
        self.context.ready()
        await self.context.stopping.wait()
        await trio.sleep(2)
        self.log.append("run ended")


class Prompt(Service):
    """Returns at once at the signal."""

    async def run(self) -> None:
        self.context.ready()
        await self.context.stopping.wait()
        self.log.append("run ended")


class Wrapping(Service):
    """Adds to the message loop."""

    async def run(self) -> None:
        self.log.append("opened")
        await super().run()
        self.log.append("closed")


@pytest.mark.parametrize(
    ("service", "seconds", "expected"),
    [
        (Ignorant, 1, ["stop", "stopped", "run ended"]),
        (Attentive, 2, ["stop", "stopped", "run ended"]),
        (Prompt, 1, None),
        (Wrapping, 1, ["opened", "stop", "stopped", "closed"]),
    ],
)
async def test_how_a_service_stops(
    service: type[Service],
    seconds: int,
    expected: list[str] | None,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    async with open_tree(Supervisor([ChildSpec("x", lambda: service(log))]), name="root"):
        await wait_all_tasks_blocked()
        begun = trio.current_time()
    assert trio.current_time() - begun == seconds
    if expected is None:
        assert sorted(log) == ["run ended", "stop", "stopped"]
        assert log[-1] == "stopped", "a stop() under way is waited for"
    else:
        assert log == expected
    assert caplog.records == []


async def test_stop_is_not_called_after_a_crash_or_a_normal_end(autojump_clock: MockClock) -> None:
    log: list[str] = []

    class Ending(Service):
        async def run(self) -> None:
            self.context.ready()

    class Crashing(Service):
        async def run(self) -> None:
            self.context.ready()
            raise Boom

    children = [
        ChildSpec("ends", lambda: Ending(log), restart=Restart.TEMPORARY),
        ChildSpec("crashes", lambda: Crashing(log), restart=Restart.TEMPORARY),
    ]
    async with open_tree(Supervisor(children), name="root") as tree:
        await wait_all_tasks_blocked()
        assert tree.tree().children == ()
    assert log == []


async def test_the_next_child_waits_for_ready(autojump_clock: MockClock) -> None:
    log: list[Any] = []

    class Late(Actor[Any]):
        async def run(self) -> None:
            await trio.sleep(3)
            self.context.ready()
            self.context.ready()
            await self.context.stopping.wait()

    class Next(Actor[Any]):
        async def start(self) -> None:
            log.append(trio.current_time())

    begun = trio.current_time()
    async with open_tree(Supervisor([ChildSpec("late", Late), ChildSpec("next", Next)]), name="root"):
        assert log == [begun + 3]


async def test_a_run_that_returns_before_ready_has_failed_to_start(autojump_clock: MockClock) -> None:
    class Forgetful(Actor[Any]):
        async def run(self) -> None:
            pass

    with pytest.raises(ChildStartFailed) as raised:
        async with open_tree(Supervisor([ChildSpec("x", Forgetful)]), name="root"):
            pytest.fail("the block must not be entered")
    assert "before it was ready" in str(raised.value.exceptions[0])


async def test_finish_ends_a_service(autojump_clock: MockClock) -> None:
    class Quitting(Actor[Any]):
        async def run(self) -> None:
            self.context.ready()
            self.context.tell_after(1, "unread")
            self.context.nursery.start_soon(self.quit_later)
            await trio.sleep_forever()

        async def quit_later(self) -> None:
            await trio.sleep(2)
            self.context.finish()

    spec = ChildSpec("x", Quitting, restart=Restart.TRANSIENT)
    async with open_tree(Supervisor([spec]), name="root") as tree:
        await trio.sleep(1.5)
        assert tree.tree().children[0].state.value == "running"
        await trio.sleep(1)
        assert tree.tree().children[0].state.value == "stopped"


async def test_background_tasks_end_with_their_actor(autojump_clock: MockClock) -> None:
    log: list[str] = []

    class Busy(Actor[Any]):
        async def start(self) -> None:
            self.context.nursery.start_soon(self.work)

        async def work(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                log.append("work ended")

        async def stop(self) -> None:
            log.append("stop")

    tasks = trio.lowlevel.current_statistics().tasks_living
    async with open_tree(Supervisor([ChildSpec("x", Busy)], strategy=Strategy.ONE_FOR_ALL), name="root"):
        await wait_all_tasks_blocked()
    assert log == ["stop", "work ended"]
    assert trio.lowlevel.current_statistics().tasks_living == tasks
