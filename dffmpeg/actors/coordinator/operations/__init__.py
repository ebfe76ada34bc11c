"""What the outside may ask of the coordinator: every route and every WebSocket message ends in one of these.

The web layer authenticates, limits and decodes; these decide who may do what,
change state through one compare-and-set, and tell the actors concerned.
"""

from __future__ import annotations

from dffmpeg.actors.coordinator.operations.administration import AdministrationOperations
from dffmpeg.actors.coordinator.operations.attempts import AttemptOperations
from dffmpeg.actors.coordinator.operations.dashboard import DashboardOperations
from dffmpeg.actors.coordinator.operations.events import EventOperations
from dffmpeg.actors.coordinator.operations.job_pages import JobPageOperations
from dffmpeg.actors.coordinator.operations.lists import ListOperations
from dffmpeg.actors.coordinator.operations.logs import LogOperations, LogSource
from dffmpeg.actors.coordinator.operations.messages import MessageOperations
from dffmpeg.actors.coordinator.operations.observation import ObservationOperations
from dffmpeg.actors.coordinator.operations.people import PeopleOperations
from dffmpeg.actors.coordinator.operations.requester import Ear, RequesterOperations
from dffmpeg.actors.coordinator.refusals import (
    Conflict,
    Elsewhere,
    Forbidden,
    NotFound,
    OperationError,
    TooMany,
    Unavailable,
)


class Operations(
    RequesterOperations,
    AttemptOperations,
    MessageOperations,
    AdministrationOperations,
    JobPageOperations,
    ObservationOperations,
    ListOperations,
    EventOperations,
    DashboardOperations,
    LogOperations,
    PeopleOperations,
):
    """All of them."""


__all__ = [
    "Conflict",
    "Ear",
    "Elsewhere",
    "Forbidden",
    "LogSource",
    "NotFound",
    "OperationError",
    "Operations",
    "TooMany",
    "Unavailable",
]
