"""The record of one child, and of one life of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import trio

from dffmpeg.actors.runtime import ActorRef, Mailbox

from .observers import Observers
from .reference import SupervisorRef
from .spec import ChildSpec, Shutdown
from .tree import ChildKind, ChildState, LastCrash, TreeNode

if TYPE_CHECKING:
    from dffmpeg.actors.runtime import DeadLetters

    from .core import SupervisorCore

ACTOR_SHUTDOWN = 5.0
TEXT_LIMIT = 500


class Body(Protocol):
    """What a life runs: an actor's instance or a supervisor."""

    async def run(self) -> None: ...

    def request_stop(self) -> None: ...

    def inject(self, error: Exception) -> None: ...


class Life:
    """One incarnation of a child, from its factory's call to its exit."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.settled = trio.Event()
        """Set once it is ready, or has exited without having been."""
        self.exited = trio.Event()
        self.ready = False
        self.ready_at = 0.0
        self.asked = False
        """Whether its supervisor wants it to end, so that its end needs no decision."""
        self.torn = True
        """Whether what ended it also ends its supervisor, which then has nothing to decide."""
        self.stop_by: float | None = None
        self.error: Exception | None = None
        self.body: Body | None = None

    def report_ready(self) -> None:
        self.ready = True
        self.ready_at = trio.current_time()
        self.settled.set()

    @property
    def uptime(self) -> float:
        return trio.current_time() - self.ready_at if self.ready else 0.0


class Child:
    """A supervisor's record of one child: it lasts across restarts and owns the mailbox."""

    def __init__(self, spec: ChildSpec, path: str, observers: Observers) -> None:
        self.spec = spec
        self.path = path
        self.kind = ChildKind.ACTOR
        self._state = ChildState.STOPPED
        self._observers = observers
        self.life: Life | None = None
        self.supervisor: SupervisorCore | None = None
        self.restarts = 0
        self.attempt = 0
        """Number of the current restart in a row, for the backoff."""
        self.last_crash: LastCrash | None = None
        self.waiting = trio.CancelScope()
        """Around the wait for a backoff to pass."""
        self._mailbox: Mailbox | None = None
        self._ref: ActorRef[Any] | None = None
        self._bound = False

    @property
    def state(self) -> ChildState:
        return self._state

    @state.setter
    def state(self, state: ChildState) -> None:
        if state is not self._state:
            self._state = state
            self._tell()

    def _tell(self) -> None:
        if self._observers.watched():
            self._observers.tell(self.path, self.node(limit=0))

    def forgotten(self) -> None:
        """Its supervisor has no record of it any more."""
        self._observers.tell(self.path, None)

    @property
    def ref(self) -> ActorRef[Any] | None:
        """The child's handle; None until its first instance was made, and while it is down for good."""
        return self._ref if self._bound else None

    def bind_given(self, dead_letters: DeadLetters) -> None:
        """Take possession of the mailbox that came with the spec, if one did.

        Done before the factory is called, so that a failed start ends the mailbox too. Raises
        RuntimeError if another child has it.
        """
        given = self.spec.ref
        if given is not None and not self._bound:
            self._take(
                given.ref._mailbox if isinstance(given, SupervisorRef) else given._mailbox, dead_letters
            )

    def bind(self, kind: ChildKind, mailbox_size: int, dead_letters: DeadLetters) -> Mailbox:
        """Take possession of the mailbox for what the factory made. Raises TypeError for the wrong `ref`."""
        self.kind = kind
        given = self.spec.ref
        if given is not None and isinstance(given, SupervisorRef) is (kind is ChildKind.ACTOR):
            raise TypeError(f"{self.path} is an {kind.value} and cannot have a {type(given).__name__}")
        if self._mailbox is not None and self._bound:
            return self._mailbox
        return self._take(self._mailbox or Mailbox(self.path, mailbox_size), dead_letters)

    def _take(self, mailbox: Mailbox, dead_letters: DeadLetters) -> Mailbox:
        mailbox.bind(dead_letters)
        self._mailbox, self._ref = mailbox, ActorRef(mailbox)
        self._bound = True
        return mailbox

    def release(self) -> None:
        """Give the mailbox up: what waits in it becomes dead letters."""
        self.state = ChildState.STOPPED
        if self._bound and self._mailbox is not None:
            self._bound = False
            self._mailbox.end()

    def life_ended(self, life: Life) -> None:
        """Note the end of the current life and tell the watchers."""
        if life.error is not None:
            self.last_crash = LastCrash(one_line(life.error), time.time())
            self._tell()
        if self._mailbox is not None and self._bound:
            self._mailbox.instance_ended(life.error)

    @property
    def grace(self) -> float:
        """Seconds to stop gracefully before the child is cancelled."""
        shutdown = self.spec.shutdown
        if shutdown is Shutdown.BRUTAL:
            return 0.0
        if shutdown is Shutdown.INFINITY:
            return float("inf")
        if shutdown is None:
            return ACTOR_SHUTDOWN if self.kind is ChildKind.ACTOR else float("inf")
        return float(shutdown)

    def node(self, limit: int | None = None) -> TreeNode:
        """As it is now.

        Args:
            limit: children that are shown of each supervisor at most; None shows all.
        """
        life, mailbox, supervisor = self.life, self._mailbox, self.supervisor
        below = () if supervisor is None else supervisor.nodes(limit)
        return TreeNode(
            id=self.spec.id,
            kind=self.kind,
            state=self.state,
            restarts=self.restarts,
            last_crash=self.last_crash,
            mailbox_depth=mailbox.depth if mailbox is not None else 0,
            mailbox_capacity=mailbox.capacity if mailbox is not None else 0,
            uptime=life.uptime if life is not None and not life.exited.is_set() else 0.0,
            children=below,
            hidden=0 if supervisor is None else supervisor.number - len(below),
        )


def one_line(error: BaseException) -> str:
    """`error` as `Type: message` on one line of bounded length; a group names its parts."""
    if isinstance(error, BaseExceptionGroup):
        parts = "; ".join(one_line(part) for part in error.exceptions)
        text = f"{type(error).__name__}: {error.message} [{parts}]"
    else:
        message = " ".join(str(error).split())
        text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"
