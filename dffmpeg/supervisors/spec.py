"""What a child is: how it is started, restarted and stopped."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .decisions import AutoShutdown, Restart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dffmpeg.actors.runtime import Actor, ActorRef

    from .backoff import Backoff
    from .dynamic import DynamicSupervisor
    from .reference import SupervisorRef
    from .supervisor import Supervisor


class Shutdown(enum.Enum):
    """How to stop a child, other than by seconds of grace."""

    BRUTAL = "brutal"
    """Cancel it at once; its `stop()` is not called."""
    INFINITY = "infinity"
    """Wait for as long as it takes."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One row of a supervisor's table.

    `start` makes a fresh instance for each (re)start. `shutdown` is the seconds to stop gracefully
    before the child is cancelled; by default 5 for an actor and infinity for a supervisor. `ref` makes
    the child reachable by a handle that existed before it: an `ActorRef` for an actor, a
    `SupervisorRef` for a supervisor.

    Raises ValueError for an id that cannot be part of a path, and for a significant permanent child.
    """

    id: str
    start: Callable[[], Actor[Any] | Supervisor | DynamicSupervisor]
    restart: Restart = Restart.PERMANENT
    shutdown: float | Shutdown | None = None
    backoff: Backoff | None = None
    significant: bool = False
    ref: ActorRef[Any] | SupervisorRef | None = None

    def __post_init__(self) -> None:
        if not self.id or "/" in self.id:
            raise ValueError(f"not a child id: {self.id!r}")
        if self.significant and self.restart is Restart.PERMANENT:
            raise ValueError(f"{self.id}: a significant child is transient or temporary")


def check_specs(specs: Iterable[ChildSpec], auto_shutdown: AutoShutdown) -> None:
    """Raises ValueError for two children of one id, or one that is significant to no purpose."""
    seen: set[str] = set()
    for spec in specs:
        if spec.id in seen:
            raise ValueError(f"two children are called {spec.id!r}")
        seen.add(spec.id)
        if spec.significant and auto_shutdown is AutoShutdown.NEVER:
            raise ValueError(f"{spec.id}: a significant child needs auto_shutdown")
