"""Workers as the coordinator knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class WorkerState(StrEnum):
    REGISTERING = "registering"
    """It has registered, and not yet shown that its downlink reaches it."""
    ONLINE = "online"
    DRAINING = "draining"
    """It ends what it has and takes nothing new."""
    OFFLINE = "offline"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker's row. Times are Unix seconds UTC.

    Attributes:
        slots: how many jobs it runs at once.
        registration_token: what it has to send back in order to be online; None once it did.
    """

    worker_id: str
    state: WorkerState
    capabilities: tuple[str, ...] = ()
    binaries: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    supported_transports: tuple[str, ...] = ()
    registration_interval: float = 10.0
    slots: int = 1
    version: str | None = None
    transport: str | None = None
    transport_metadata: Mapping[str, Any] = field(default_factory=dict)
    registration_token: str | None = field(default=None, repr=False)
    draining: bool = False
    """It asked to be draining; takes effect once it is verified."""
    last_seen: float
    registered_at: float
