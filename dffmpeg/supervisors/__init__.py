"""Supervision trees after Erlang/OTP: the library, and the trees of the coordinator and the worker."""

from .backoff import Backoff
from .core import ChildInfo
from .decisions import AutoShutdown, Restart, Strategy
from .dynamic import DynamicSupervisor
from .errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildStartFailed,
    InjectedCrash,
    MaxChildren,
    NotFound,
    Restarting,
    RestartIntensityExceeded,
    Running,
    SupervisorError,
    SupervisorFailure,
    SupervisorNotRunning,
    UnexpectedExit,
)
from .observers import Observer, Observers
from .reference import SupervisorRef
from .root import TreeHandle, open_tree, run_tree
from .spec import ChildSpec, Shutdown
from .supervisor import Supervisor
from .tree import ChildCounts, ChildKind, ChildState, LastCrash, TreeNode

__all__ = [
    "AlreadyPresent",
    "AlreadyStarted",
    "AutoShutdown",
    "Backoff",
    "ChildCounts",
    "ChildInfo",
    "ChildKind",
    "ChildSpec",
    "ChildStartFailed",
    "ChildState",
    "DynamicSupervisor",
    "InjectedCrash",
    "LastCrash",
    "MaxChildren",
    "NotFound",
    "Observer",
    "Observers",
    "Restart",
    "RestartIntensityExceeded",
    "Restarting",
    "Running",
    "Shutdown",
    "Strategy",
    "Supervisor",
    "SupervisorError",
    "SupervisorFailure",
    "SupervisorNotRunning",
    "SupervisorRef",
    "TreeHandle",
    "TreeNode",
    "UnexpectedExit",
    "open_tree",
    "run_tree",
]
