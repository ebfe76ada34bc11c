"""What both kinds of supervisor share: running one life of a child, stopping it, looking inside."""

from __future__ import annotations

import itertools
import logging
import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import trio

from dffmpeg.actors.runtime import Actor, ActorRef, DeadLetters, Instance

from .child import Body, Child, Life, one_line
from .decisions import AutoShutdown, RestartWindow, shuts_down
from .errors import InjectedCrash, NotFound, RestartIntensityExceeded, SupervisorNotRunning, UnexpectedExit
from .observers import Observers
from .spec import Shutdown
from .tree import ChildCounts, ChildKind, ChildState, TreeNode

if TYPE_CHECKING:
    from collections.abc import Callable

    from .decisions import Restart
    from .reference import SupervisorRef
    from .spec import ChildSpec

logger = logging.getLogger("dffmpeg.supervisor")


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """One row of `which_children()`."""

    id: str
    ref: ActorRef[Any] | None
    """None if the child is down for good."""
    kind: ChildKind
    state: ChildState
    restart: Restart


class SupervisorCore(ABC):
    """Base of `Supervisor` and `DynamicSupervisor`. One object lives once: a restart makes a new one."""

    kind: ClassVar[ChildKind]

    def __init__(self, *, intensity: int, period: float, auto_shutdown: AutoShutdown) -> None:
        if intensity < 0 or period <= 0:
            raise ValueError("a supervisor needs intensity >= 0 and period > 0")
        self._window = RestartWindow(intensity, period)
        self._auto_shutdown = auto_shutdown
        self._children: dict[str, Child] = {}
        self._path = ""
        self._dead_letters = DeadLetters()
        self._observers = Observers()
        self._report_ready: Callable[[], None] = _nothing
        self._nursery: trio.Nursery | None = None
        self._closing = False

    def place(
        self,
        path: str,
        dead_letters: DeadLetters,
        report_ready: Callable[[], None],
        observers: Observers,
    ) -> None:
        """Put the supervisor in its place in a tree, before `run()`.

        Raises RuntimeError if it was placed before.
        """
        if self._path:
            raise RuntimeError(f"{self._path}: a supervisor lives once; make a new one for each start")
        self._path = path
        self._dead_letters = dead_letters
        self._report_ready = report_ready
        self._observers = observers

    async def run(self) -> None:
        """Live until stopped; raises what ended it. All children are down when this returns or raises."""
        failure: Exception | None = None
        try:
            async with trio.open_nursery() as self._nursery:
                failure = await self._supervise()
        finally:
            self._closing = True
            for child in reversed(self._children.values()):
                child.release()
                child.forgotten()
            self._closed()
        if failure is not None:
            raise failure

    @abstractmethod
    async def _supervise(self) -> Exception | None:
        """Start, serve and stop the children; returns what ended it, None for a stop that was asked for."""

    @abstractmethod
    def _life_ended(self, child: Child, life: Life) -> None:
        """React to the end of a life. Must not wait."""

    @abstractmethod
    def request_stop(self) -> None:
        """Ask the supervisor to stop its children and itself."""

    @abstractmethod
    def inject(self, error: Exception) -> None:
        """Fail with `error`, after stopping the children."""

    @abstractmethod
    async def start_child(self, spec: ChildSpec) -> ActorRef[Any]: ...

    @abstractmethod
    async def terminate_child(self, id: str) -> None: ...  # noqa: A002

    @abstractmethod
    async def restart_child(self, id: str) -> ActorRef[Any]: ...  # noqa: A002

    @abstractmethod
    async def delete_child(self, id: str) -> None: ...  # noqa: A002

    def _closed(self) -> None:  # noqa: B027 - most have nothing to do
        """Called once, when nothing runs any more."""

    # One life of a child

    def _record(self, spec: ChildSpec) -> Child:
        child = self._children[spec.id] = Child(spec, f"{self._path}/{spec.id}", self._observers)
        return child

    def _forget(self, child: Child) -> None:
        del self._children[child.spec.id]
        child.release()
        child.forgotten()

    def _spawn(self, child: Child) -> Life:
        assert self._nursery is not None
        life = child.life = Life()
        child.state = ChildState.STARTING
        self._nursery.start_soon(self._live, child, life, name=child.path)
        return life

    async def _live(self, child: Child, life: Life) -> None:
        try:
            with life.scope:
                try:
                    life.body = self._embody(child, life)
                    await life.body.run()
                except Exception as error:  # noqa: BLE001 - the boundary at which a crash is decided upon
                    life.error = error
                except BaseExceptionGroup as group:
                    # What is not an Exception (Cancelled, KeyboardInterrupt) is nobody's crash and goes on.
                    life.error, rest = group.split(Exception)
                    if rest is not None:
                        raise rest from None
            life.torn = False
        finally:
            self._note_end(child, life)

    def _embody(self, child: Child, life: Life) -> Body:
        child.bind_given(self._dead_letters)
        made = child.spec.start()

        def report_ready() -> None:
            child.state = ChildState.RUNNING
            life.report_ready()

        if isinstance(made, Actor):
            if hasattr(made, "context"):
                raise RuntimeError(f"{child.path}: an actor lives once; make a new one for each start")
            mailbox = child.bind(ChildKind.ACTOR, type(made).mailbox_size, self._dead_letters)
            return Instance(made, mailbox, report_ready)
        child.bind(made.kind, 0, self._dead_letters)
        made.place(child.path, self._dead_letters, report_ready, self._observers)
        child.supervisor = made
        if child.spec.ref is not None and not isinstance(child.spec.ref, ActorRef):
            child.spec.ref._supervisor = made
        return made

    def _note_end(self, child: Child, life: Life) -> None:
        life.exited.set()
        life.settled.set()
        supervisor, child.supervisor = child.supervisor, None
        # Down, but not yet decided upon: to its siblings it is still active.
        child.state = ChildState.STOPPING
        if supervisor is not None and child.spec.ref is not None:
            assert not isinstance(child.spec.ref, ActorRef)
            child.spec.ref._supervisor = None
        if life.error is not None:
            what = "crashed" if life.ready else "failed to start"
            logger.error("%s %s: %s", child.path, what, one_line(life.error), exc_info=life.error)
        child.life_ended(life)
        if not life.torn:
            self._life_ended(child, life)

    async def _stop(self, child: Child) -> None:
        """Take a child down as its spec says; returns when it is. A cancelled call may be repeated."""
        life = child.life
        if life is None or life.exited.is_set():
            return
        child.state = ChildState.STOPPING
        life.asked = True
        if life.body is None or not life.ready or child.spec.shutdown is Shutdown.BRUTAL:
            life.scope.cancel()
        else:
            if life.stop_by is None:
                life.stop_by = trio.current_time() + child.grace
                life.body.request_stop()
            with trio.CancelScope(deadline=life.stop_by):
                await life.exited.wait()
            if not life.exited.is_set():
                logger.warning("%s did not stop within %g s and is cancelled", child.path, child.grace)
                life.scope.cancel()
        await life.exited.wait()

    # Decisions with a side to this supervisor's state

    def _count_restart(self, child: Child, error: Exception | None) -> RestartIntensityExceeded | None:
        reason = error if error is not None else UnexpectedExit(f"{child.path} ended normally")
        self._window = self._window.add(trio.current_time(), reason)
        if not self._window.exceeded:
            return None
        allowed = f"{self._window.intensity} restarts in {self._window.period:g} s"
        return RestartIntensityExceeded(f"{self._path}: more than {allowed}", self._window.reasons)

    def _backoff_delay(self, child: Child, uptime: float) -> float:
        backoff = child.spec.backoff
        if backoff is None:
            return 0.0
        child.attempt = backoff.attempt(child.attempt, uptime)
        return backoff.delay(child.attempt, random.random())  # noqa: S311 - spreads load, guards nothing

    def _ends_with(self, child: Child) -> bool:
        others = (
            other.state.active
            for other in self._children.values()
            if other is not child and other.spec.significant
        )
        return shuts_down(self._auto_shutdown, significant=child.spec.significant, others_active=others)

    # Looking inside

    def _known(self, id: str) -> Child:  # noqa: A002
        child = self._children.get(id)
        if child is None:
            raise NotFound(f"{self._path} has no child {id!r}")
        return child

    def _not_running(self) -> SupervisorNotRunning:
        return SupervisorNotRunning(f"{self._path or 'the supervisor'} is not running")

    def find(self, id: str) -> ActorRef[Any] | None:  # noqa: A002
        child = self._children.get(id)
        return child.ref if child is not None else None

    def which_children(self) -> list[ChildInfo]:
        return [
            ChildInfo(child.spec.id, child.ref, child.kind, child.state, child.spec.restart)
            for child in self._children.values()
        ]

    def count_children(self) -> ChildCounts:
        children = self._children.values()
        workers = sum(child.kind is ChildKind.ACTOR for child in children)
        active = sum(child.life is not None and not child.life.exited.is_set() for child in children)
        return ChildCounts(len(children), active, len(children) - workers, workers)

    @property
    def number(self) -> int:
        """How many children it has a record of."""
        return len(self._children)

    def nodes(self, limit: int | None = None) -> tuple[TreeNode, ...]:
        """The children in start order, at most `limit` of each supervisor."""
        return tuple(child.node(limit) for child in itertools.islice(self._children.values(), limit))

    def crash(self, path: str) -> None:
        """Crash what runs at `path` below this supervisor. Raises NotFound if nothing runs there."""
        head, _, rest = path.partition("/")
        child = self._known(head)
        if rest and child.supervisor is not None:
            child.supervisor.crash(rest)
            return
        life = child.life
        if rest or life is None or life.body is None or not life.ready or life.exited.is_set():
            raise NotFound(f"nothing runs at {self._path}/{path}")
        life.body.inject(InjectedCrash(f"injected into {child.path}"))


def bind_root(ref: SupervisorRef, dead_letters: DeadLetters, root: SupervisorCore) -> None:
    """Let a handle reach the root of a tree, which is nobody's child."""
    ref.ref._mailbox.bind(dead_letters)
    ref._supervisor = root


def unbind_root(ref: SupervisorRef, crash: Exception | None) -> None:
    """Undo `bind_root` when the root has ended, by `crash` if it crashed."""
    ref._supervisor = None
    ref.ref._mailbox.instance_ended(crash)
    ref.ref._mailbox.end()


def _nothing() -> None:
    return None
