"""What a supervision tree looks like at one moment, as plain data."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ChildKind(enum.Enum):
    ACTOR = "actor"
    SUPERVISOR = "supervisor"
    DYNAMIC_SUPERVISOR = "dynamic_supervisor"


class ChildState(enum.Enum):
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    """Down, and waiting to be started again."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """Down, and staying so."""

    @property
    def active(self) -> bool:
        return self is not ChildState.STOPPED


@dataclass(frozen=True, slots=True)
class LastCrash:
    text: str
    """One line: the exception's type and message."""
    at: float
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One child and what is below it."""

    id: str
    kind: ChildKind
    state: ChildState
    restarts: int
    last_crash: LastCrash | None
    mailbox_depth: int
    mailbox_capacity: int
    """0 for a supervisor, which has no mailbox."""
    uptime: float
    """Seconds since it became ready; 0 if it is not up."""
    children: tuple[TreeNode, ...] = ()
    hidden: int = 0
    """How many more children there are, where not all were asked for."""


@dataclass(frozen=True, slots=True)
class ChildCounts:
    """As OTP's `count_children`: all records, those that are up, and each kind."""

    specs: int
    active: int
    supervisors: int
    workers: int
