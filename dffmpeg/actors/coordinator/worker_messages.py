"""What a WorkerActor is told and asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dffmpeg.actors.runtime import Request
from dffmpeg.model.workers import Hold, Worker
from dffmpeg.wire.workers import MessageType, RegisterReply, RegisterRequest


@dataclass(frozen=True, slots=True)
class Register(Request[RegisterReply]):
    request: RegisterRequest


@dataclass(frozen=True, slots=True)
class Verify(Request[Worker]):
    token: str


@dataclass(frozen=True, slots=True)
class Deregister(Request[None]):
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send the worker a hint over its downlink."""

    message_type: MessageType
    payload: Mapping[str, Any]
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class SetHold(Request[Worker]):
    """Give the worker nothing new, or (with None) let it have jobs again and forget its strikes.

    Attributes:
        until: Unix seconds after which it comes back by itself; None is not before it is released.
    """

    hold: Hold | None
    reason: str | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Judged(Request[None]):
    """The end of an attempt says something of the worker. Answered when what follows from it is durable.

    Attributes:
        failure: of the worker's own making, in words for all who see the worker; None where it did what it
            should.
        detail: why the attempt ended, which may be about the job: for the log alone.
    """

    job_id: str
    failure: str | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class HoldDue:
    """A hold may be over."""


@dataclass(frozen=True, slots=True)
class Connected:
    """Its downlink's connection is open."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Its downlink's connection was closed."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Its home may be another coordinator."""


@dataclass(frozen=True, slots=True)
class LeaseDue:
    """Its lease may be over."""


WorkerMessage = (
    Register
    | Verify
    | Deregister
    | Deliver
    | SetHold
    | Judged
    | Connected
    | Disconnected
    | Moved
    | LeaseDue
    | HoldDue
)
