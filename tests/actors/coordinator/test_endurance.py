"""What becomes of messages while the database is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dffmpeg.actors import Actor, ActorCrashed, ActorRef, Request
from dffmpeg.actors.coordinator.endurance import AGAIN, Endurance
from dffmpeg.actors.coordinator.refusals import DatabaseGone
from dffmpeg.store import StoreUnavailable
from dffmpeg.supervisors import ChildSpec, Supervisor, open_tree


@dataclass(frozen=True)
class Work(Request[str]):
    name: str


class Worker(Actor[Work]):
    def __init__(self, gone: list[Exception], done: list[tuple[float, str]], *, sound: bool = True) -> None:
        self._gone = gone
        self._done = done
        self._endurance = Endurance(self, lambda: sound)

    async def handle(self, message: Work) -> str | None:
        return await self._endurance.handle(message, self._work)

    async def _work(self, message: Work) -> str:
        await trio.lowlevel.checkpoint()
        if self._gone:
            raise self._gone.pop(0)
        self._done.append((trio.current_time(), message.name))
        return message.name


GONE = StoreUnavailable("nobody there")


def tree(ref: ActorRef[Work], gone: list[Exception], done: list[Any], *, sound: bool = True) -> Supervisor:
    return Supervisor([ChildSpec("worker", lambda: Worker(gone, done, sound=sound), ref=ref)])


async def test_what_was_told_is_done_when_it_is_back(autojump_clock: MockClock) -> None:
    ref, done = ActorRef[Work].unbound("worker"), list[tuple[float, str]]()
    group: Exception = ExceptionGroup("two at once", [GONE, ExceptionGroup("one", [GONE])])
    async with open_tree(tree(ref, [GONE, GONE, group], done), name="tree"):
        began = trio.current_time()
        # The same twice is the same.
        await ref.tell(Work("a"))
        await ref.tell(Work("a"))
        await trio.sleep(10)
    # The second failed too, and was planned already; the third failure puts it off once more.
    assert done == [(began + 2 * AGAIN, "a")]


async def test_who_asks_is_told_so_and_nothing_is_repeated(autojump_clock: MockClock) -> None:
    ref, done = ActorRef[Work].unbound("worker"), list[tuple[float, str]]()
    async with open_tree(tree(ref, [GONE], done), name="tree"):
        with pytest.raises(DatabaseGone, match="the database cannot be reached; try again"):
            await ref.ask(Work("a"), timeout=5)
        assert await ref.ask(Work("b"), timeout=5) == "b"
        await trio.sleep(10)
    assert [name for _, name in done] == ["b"]


@pytest.mark.parametrize(
    ("error", "sound"),
    [
        (ValueError("a defect"), True),
        (ExceptionGroup("both", [GONE, ValueError("one")]), True),
        (GONE, False),
    ],
    ids=["a defect", "a defect besides", "what it remembers is not sound"],
)
async def test_anything_else_is_a_crash(autojump_clock: MockClock, error: Exception, sound: bool) -> None:
    ref, done = ActorRef[Work].unbound("worker"), list[tuple[float, str]]()
    async with open_tree(tree(ref, [error], done, sound=sound), name="tree"):
        with pytest.raises(ActorCrashed):
            await ref.ask(Work("a"), timeout=5)
