"""What supervisors raise: their own failure as exception groups, and refusals of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dffmpeg.actors.runtime import ActorRef


class SupervisorFailure(ExceptionGroup[Exception]):
    """Base of what ends a supervisor as a crash; it holds the crashes of the children behind it."""

    def derive(self, excs: Sequence[Exception], /) -> SupervisorFailure:  # type: ignore[override]
        return type(self)(self.message, excs)


class RestartIntensityExceeded(SupervisorFailure):
    """More restarts were needed within the period than allowed; holds the reasons of each."""


class ChildStartFailed(SupervisorFailure):
    """A child failed to start, in its supervisor's own start or in `start_child` and `restart_child`."""


class UnexpectedExit(Exception):
    """Stands for the normal end of a child that is permanent, among the reasons of restarts."""


class InjectedCrash(Exception):
    """Raised in a running child by `crash_child`, to see the tree heal."""


class SupervisorError(Exception):
    """Base of the refusals of a command to a supervisor."""


class AlreadyPresent(SupervisorError):
    """The id belongs to a child that is not running; restart or delete that one."""


class AlreadyStarted(SupervisorError):
    """The id belongs to a child that is running; `ref` reaches it."""

    def __init__(self, message: str, ref: ActorRef[Any]) -> None:
        super().__init__(message)
        self.ref = ref


class NotFound(SupervisorError):
    """There is no child of that id, or nothing at that path."""


class Running(SupervisorError):
    """The child runs; terminate it first."""


class Restarting(SupervisorError):
    """The child is between a crash and its restart."""


class MaxChildren(SupervisorError):
    """The supervisor has as many children as it may."""


class SupervisorNotRunning(SupervisorError):
    """The supervisor has not started yet, has ended, or is being restarted."""
