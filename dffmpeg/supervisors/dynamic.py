"""The supervisor of children that come and go at run time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

import trio

from .child import Child, Life
from .core import SupervisorCore
from .decisions import AutoShutdown, Next, after_exit
from .errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildStartFailed,
    MaxChildren,
    NotFound,
    Restarting,
    Running,
    SupervisorError,
    UnexpectedExit,
)
from .spec import ChildSpec, check_specs
from .tree import ChildKind, ChildState

if TYPE_CHECKING:
    from dffmpeg.actors.runtime import ActorRef

logger = logging.getLogger("dffmpeg.supervisor")


class DynamicSupervisor(SupervisorCore):
    """Starts with no children; `SupervisorRef.start_child` adds them, at most `max_children`.

    Children are independent, as with one_for_one, and are started and stopped concurrently: a slow
    one holds up nobody else. A child that ends and is not restarted is forgotten, as is one that
    `terminate_child` stopped.
    """

    kind: ClassVar[ChildKind] = ChildKind.DYNAMIC_SUPERVISOR

    def __init__(
        self,
        *,
        intensity: int = 3,
        period: float = 5.0,
        max_children: int | None = None,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    ) -> None:
        super().__init__(intensity=intensity, period=period, auto_shutdown=auto_shutdown)
        self._max_children = max_children
        self._finished = trio.Event()
        self._failure: Exception | None = None

    async def _supervise(self) -> Exception | None:
        self._report_ready()
        await self._finished.wait()
        async with trio.open_nursery() as stopping:
            for child in list(self._children.values()):
                child.waiting.cancel()
                stopping.start_soon(self._stop, child)
        return self._failure

    def request_stop(self) -> None:
        self._finish(None)

    def inject(self, error: Exception) -> None:
        self._finish(error)

    def _finish(self, failure: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            self._failure = failure
            self._finished.set()

    def _life_ended(self, child: Child, life: Life) -> None:
        if self._closing:
            return
        if life.asked or not (life.ready or child.restarts):
            self._forget(child)
            return
        decision = after_exit(child.spec.restart, crashed=life.error is not None or not life.ready)
        if decision is Next.RESTART:
            self._begin_restart(child, life)
            return
        self._forget(child)
        if self._ends_with(child):
            self._finish(None)

    def _begin_restart(self, child: Child, life: Life) -> None:
        assert self._nursery is not None
        exceeded = self._count_restart(child, life.error)
        if exceeded is not None:
            self._finish(exceeded)
            return
        delay = self._backoff_delay(child, life.uptime)
        logger.warning("%s is restarted in %.3g s", child.path, delay)
        child.state = ChildState.RESTARTING
        child.restarts += 1
        self._nursery.start_soon(self._restart, child, delay)

    async def _restart(self, child: Child, delay: float) -> None:
        with trio.CancelScope() as child.waiting:
            await trio.sleep(delay)
        if not (self._closing or child.waiting.cancel_called):
            self._spawn(child)

    # Commands

    async def start_child(self, spec: ChildSpec) -> ActorRef[Any]:
        check_specs((spec,), self._auto_shutdown)
        self._admit(spec)
        child = self._record(spec)
        life = self._spawn(child)
        await life.settled.wait()
        if not life.ready and not life.asked:
            error = life.error or UnexpectedExit(f"{child.path} ended before it was ready")
            raise ChildStartFailed(f"{child.path} failed to start", [error])
        if not life.ready or child.ref is None:
            raise self._gone(child)
        return child.ref

    def _admit(self, spec: ChildSpec) -> None:
        if self._closing or self._nursery is None:
            raise self._not_running()
        present = self._children.get(spec.id)
        if present is not None:
            if present.state is ChildState.RUNNING and present.ref is not None:
                raise AlreadyStarted(f"{present.path} is running", present.ref)
            raise AlreadyPresent(f"{present.path} is {present.state.value}")
        if self._max_children is not None and len(self._children) >= self._max_children:
            raise MaxChildren(f"{self._path} has {self._max_children} children and takes no more")

    def _gone(self, child: Child) -> SupervisorError:
        if self._closing:
            return self._not_running()
        return NotFound(f"{child.path} was terminated, or ended as soon as it had started")

    async def terminate_child(self, id: str) -> None:  # noqa: A002
        if self._closing or self._nursery is None:
            raise self._not_running()
        child = self._known(id)
        life = child.life
        if life is None or life.exited.is_set():
            child.waiting.cancel()
            self._forget(child)
            return
        # Not in the caller's task: once begun, it goes on though the caller be cancelled.
        self._nursery.start_soon(self._stop, child)
        await life.exited.wait()

    async def restart_child(self, id: str) -> ActorRef[Any]:  # noqa: A002
        raise self._not_down(self._known(id))

    async def delete_child(self, id: str) -> None:  # noqa: A002
        raise self._not_down(self._known(id))

    def _not_down(self, child: Child) -> SupervisorError:
        if child.state is ChildState.RESTARTING:
            return Restarting(f"{child.path} is being restarted")
        return Running(f"{child.path} is {child.state.value}")
