"""The supervisor of a fixed table of children."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import trio

from dffmpeg.actors.runtime import ActorRef, Answer

from .child import Child, Life
from .core import SupervisorCore
from .decisions import AutoShutdown, Next, Restart, Strategy, after_exit, restart_group
from .errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildStartFailed,
    InjectedCrash,
    Restarting,
    Running,
    SupervisorError,
    SupervisorFailure,
    UnexpectedExit,
)
from .spec import ChildSpec, check_specs
from .tree import ChildKind, ChildState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

logger = logging.getLogger("dffmpeg.supervisor")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _PendingRestart:
    """Children that are down and will be started together, left to right."""

    ids: tuple[str, ...]
    due: float


class Supervisor(SupervisorCore):
    """Starts `children` left to right, each after the one before is ready; stops them right to left.

    More than `intensity` restarts within `period` seconds stop all children and end the supervisor
    with RestartIntensityExceeded. A failing start in its own start ends it with ChildStartFailed.
    Crashes and commands are taken one at a time, in the order in which they arrive.

    Raises ValueError for specs that contradict each other or `auto_shutdown`.
    """

    kind: ClassVar[ChildKind] = ChildKind.SUPERVISOR

    def __init__(
        self,
        children: Sequence[ChildSpec],
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: int = 3,
        period: float = 5.0,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    ) -> None:
        super().__init__(intensity=intensity, period=period, auto_shutdown=auto_shutdown)
        check_specs(children, auto_shutdown)
        self._specs = tuple(children)
        self._strategy = strategy
        self._work = trio.CancelScope()
        self._exits: deque[tuple[Child, Life]] = deque()
        self._commands: deque[Callable[[], Awaitable[None]]] = deque()
        self._answers: set[Answer[Any]] = set()
        self._pending: list[_PendingRestart] = []
        self._injected: Exception | None = None
        self._wake = trio.Event()

    async def _supervise(self) -> Exception | None:
        failure: Exception | None = None
        for spec in self._specs:
            self._record(spec)
        with self._work:
            try:
                for child in list(self._children.values()):
                    await self._start(child)
                self._report_ready()
                await self._serve()
            except (SupervisorFailure, InjectedCrash) as error:
                failure = error
        self._closing = True
        self._closed()  # A child that waits for a command's answer could not stop.
        for child in reversed(list(self._children.values())):
            await self._stop(child)
            child.release()
        return failure

    def _closed(self) -> None:
        for answer in tuple(self._answers):
            answer.fail(self._not_running())

    def request_stop(self) -> None:
        self._closing = True
        self._work.cancel()

    def inject(self, error: Exception) -> None:
        self._injected = error
        self._wake.set()

    def _life_ended(self, child: Child, life: Life) -> None:
        # An end that was asked for, or before readiness, is seen by the one who waits for it.
        if life.ready and not life.asked:
            self._exits.append((child, life))
            self._wake.set()

    async def _serve(self) -> None:
        while True:
            if self._injected is not None:
                raise self._injected
            if self._exits:
                if await self._take_exit(*self._exits.popleft()):
                    return
            elif self._commands:
                await self._commands.popleft()()
            elif self._pending and self._pending[0].due <= trio.current_time():
                await self._restart(self._pending.pop(0))
            else:
                await self._wait()

    async def _wait(self) -> None:
        due = self._pending[0].due if self._pending else float("inf")
        with trio.CancelScope(deadline=due):
            await self._wake.wait()
        self._wake = trio.Event()

    async def _start(self, child: Child) -> None:
        """Start a child and wait until it is ready. Raises ChildStartFailed."""
        life = self._spawn(child)
        await life.settled.wait()
        if not life.ready:
            error = life.error or UnexpectedExit(f"{child.path} ended before it was ready")
            raise ChildStartFailed(f"{child.path} failed to start", [error])

    # After an exit

    async def _take_exit(self, child: Child, life: Life) -> bool:
        """Decide upon a child that ended by itself; whether the supervisor ends with it."""
        if child.life is not life or child.spec.id not in self._children:
            return False  # A group restart or a command has dealt with it since.
        child.life = None
        decision = after_exit(child.spec.restart, crashed=life.error is not None)
        if decision is Next.RESTART:
            await self._begin_restart(child, life.error, life.uptime)
            return False
        if decision is Next.REMOVE:
            self._forget(child)
        else:
            child.release()
        return self._ends_with(child)

    async def _begin_restart(self, child: Child, error: Exception | None, uptime: float) -> None:
        """Count the restart, take the group down, and have it started when the backoff is over."""
        exceeded = self._count_restart(child, error)
        if exceeded is not None:
            raise exceeded
        child.state = ChildState.RESTARTING
        group = restart_group(self._strategy, tuple(self._children), child.spec.id)
        for id_ in reversed(group):
            if id_ != child.spec.id:
                await self._take_along(self._children[id_])
        delay = self._backoff_delay(child, uptime)
        logger.warning("%s is restarted in %.3g s (%s)", child.path, delay, self._strategy.value)
        self._pending = [pending for pending in self._pending if not set(pending.ids) & set(group)]
        ids = tuple(id_ for id_ in group if id_ in self._children)
        self._pending.append(_PendingRestart(ids, trio.current_time() + delay))
        self._pending.sort(key=lambda pending: pending.due)

    async def _take_along(self, sibling: Child) -> None:
        await self._stop(sibling)
        sibling.life = None
        if sibling.spec.restart is Restart.TEMPORARY:
            self._forget(sibling)
        else:
            sibling.state = ChildState.RESTARTING

    async def _restart(self, pending: _PendingRestart) -> None:
        for id_ in pending.ids:
            child = self._children.get(id_)
            if child is None or child.state is not ChildState.RESTARTING:
                continue
            child.restarts += 1
            try:
                await self._start(child)
            except ChildStartFailed as failure:
                child.life = None
                await self._begin_restart(child, failure.exceptions[0], 0.0)
                return

    # Commands

    async def _command(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Have the supervisor's own task carry out `operation`, after what it is doing now."""
        if self._closing:
            raise self._not_running()
        answer: Answer[T] = Answer()

        async def carry_out() -> None:
            try:
                answer.succeed(await operation())
            except (SupervisorError, SupervisorFailure) as error:
                answer.fail(error)
            finally:
                answer.fail(self._not_running())
                self._answers.discard(answer)

        self._answers.add(answer)
        self._commands.append(carry_out)
        self._wake.set()
        return await answer.wait()

    async def start_child(self, spec: ChildSpec) -> ActorRef[Any]:
        check_specs((spec,), self._auto_shutdown)
        return await self._command(lambda: self._start_child(spec))

    async def _start_child(self, spec: ChildSpec) -> ActorRef[Any]:
        present = self._children.get(spec.id)
        if present is not None:
            ref = present.ref
            if ref is None or present.state is not ChildState.RUNNING:
                raise AlreadyPresent(f"{present.path} is {present.state.value}")
            raise AlreadyStarted(f"{present.path} is running", ref)
        child = self._record(spec)
        try:
            return await self._start_by_command(child)
        except ChildStartFailed:
            self._forget(child)
            raise

    async def _start_by_command(self, child: Child) -> ActorRef[Any]:
        try:
            await self._start(child)
        except ChildStartFailed:
            child.life = None
            child.release()
            raise
        assert child.ref is not None
        return child.ref

    async def terminate_child(self, id: str) -> None:  # noqa: A002
        await self._command(lambda: self._terminate_child(id))

    async def _terminate_child(self, id_: str) -> None:
        child = self._known(id_)
        await self._stop(child)
        child.life = None
        if child.spec.restart is Restart.TEMPORARY:
            self._forget(child)
        else:
            child.release()

    async def restart_child(self, id: str) -> ActorRef[Any]:  # noqa: A002
        return await self._command(lambda: self._restart_child(id))

    async def _restart_child(self, id_: str) -> ActorRef[Any]:
        return await self._start_by_command(self._down(id_))

    async def delete_child(self, id: str) -> None:  # noqa: A002
        await self._command(lambda: self._delete_child(id))

    async def _delete_child(self, id_: str) -> None:
        self._forget(self._down(id_))

    def _down(self, id_: str) -> Child:
        child = self._known(id_)
        if child.state is ChildState.RESTARTING:
            raise Restarting(f"{child.path} is being restarted")
        if child.state is not ChildState.STOPPED:
            raise Running(f"{child.path} is {child.state.value}")
        return child
