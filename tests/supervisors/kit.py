"""A scripted actor and short ways to put it under a supervisor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import trio
import trio.testing

from dffmpeg.actors import Actor, ActorRef, Request
from dffmpeg.supervisors import ChildSpec

Hook = Callable[["Probe"], Awaitable[None]]


class Boom(Exception):
    """The crash that a test asks for."""


@dataclass(frozen=True)
class Crash:
    error: BaseException = field(default_factory=lambda: Boom("handle"))


@dataclass(frozen=True)
class CrashBackground:
    error: Exception = field(default_factory=lambda: Boom("background"))


class Finish:
    """The actor returns from run()."""


class CancelSelf:
    """The actor cancels its own nursery."""


class Ping(Request[int]):
    """Answered with the number of the instance, from 1."""


class Probe(Actor[Any]):
    """Writes "+id" when it starts and "-id" when its life ends; obeys the messages above."""

    def __init__(
        self, id_: str, diary: list[str], number: int, on_start: Hook | None, on_stop: Hook | None
    ) -> None:
        self.id = id_
        self.diary = diary
        self.number = number
        self.on_start = on_start
        self.on_stop = on_stop

    async def start(self) -> None:
        self.diary.append(f"+{self.id}")
        if self.on_start is not None:
            await self.on_start(self)

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            self.diary.append(f"-{self.id}")

    async def handle(self, message: Any) -> object:
        match message:
            case Crash(error):
                raise error
            case CrashBackground(error):
                self.context.nursery.start_soon(fail, error)
            case Finish():
                self.context.finish()
            case CancelSelf():
                self.context.nursery.cancel_scope.cancel()
            case Ping():
                return self.number
        return None

    async def stop(self) -> None:
        if self.on_stop is not None:
            await self.on_stop(self)


async def fail(error: Exception) -> None:
    raise error


class Bench:
    """Makes specs of probes, and reaches them by id."""

    def __init__(self) -> None:
        self.diary: list[str] = []
        self.made: dict[str, int] = {}
        self.refs: dict[str, ActorRef[Any]] = {}

    def spec(
        self, id_: str, *, on_start: Hook | None = None, on_stop: Hook | None = None, **options: Any
    ) -> ChildSpec:
        ref: ActorRef[Any] = self.refs.setdefault(id_, ActorRef.unbound(id_))

        def make() -> Probe:
            self.made[id_] = self.made.get(id_, 0) + 1
            return Probe(id_, self.diary, self.made[id_], on_start, on_stop)

        return ChildSpec(id_, make, ref=ref, **options)

    async def send(self, id_: str, message: object) -> None:
        """Deliver and wait until all that follows has happened, without letting time pass."""
        await self.refs[id_].tell(message)
        await settle()

    def read(self) -> list[str]:
        """What was written since the last call."""
        written = self.diary.copy()
        self.diary.clear()
        return written


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


def leaves(error: BaseException) -> list[BaseException]:
    """The exceptions at the bottom of nested groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]
