"""Workers as the coordinator knows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dffmpeg.model.abilities import Abilities


class WorkerState(StrEnum):
    REGISTERING = "registering"
    """It has registered, and not yet shown that its downlink reaches it."""
    ONLINE = "online"
    DRAINING = "draining"
    """It ends what it has and takes nothing new."""
    OFFLINE = "offline"
    ERROR = "error"


class Hold(StrEnum):
    """Why a worker that is online gets nothing new: somebody's decision, which outlives its registrations."""

    PAUSED = "paused"
    DRAINING = "draining"
    QUARANTINED = "quarantined"


STATUSES = tuple(dict.fromkeys([*map(str, WorkerState), *map(str, Hold)]))
"""Each `Worker.status` that there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker's row. Times are Unix seconds UTC.

    Attributes:
        slots: how many jobs it runs at once.
        resources: the same, by named resource.
        labels: what jobs may ask for.
        weight: how much of the work it should get, compared to others.
        abilities: by program; `abilities_digest` is the worker's own name for all of them.
        benchmark: how fast it encodes, pixels a second; None is unmeasured.
        substitutions: what it runs in place of what a job asks for.
        hours: when it takes jobs, such as "mon-fri 22:00-06:00 Europe/Berlin"; None is always.
        mounts: by name, in what state each is.
        hold_until: when it may come back by itself, if ever.
        strikes: how many attempts in a row it lost or failed to start through its own making.
        instance: names its process, anew each time that it is started; None of an older one.
        home: the coordinator that looks after it, where there are several.
        sole_on: names a lock that its process has: no other process can have it on any machine.
        read_only: those of its paths in which nothing may be changed.
        load: processes of its machine that run or want to, for each processor, over the last minute.
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
    labels: tuple[str, ...] = ()
    resources: Mapping[str, int] = field(default_factory=dict)
    weight: float = 1.0
    abilities: Mapping[str, Abilities] = field(default_factory=dict)
    abilities_digest: str | None = None
    benchmark: float | None = None
    substitutions: Mapping[str, str] = field(default_factory=dict)
    hours: str | None = None
    mounts: Mapping[str, str] = field(default_factory=dict)
    hold: Hold | None = None
    hold_reason: str | None = None
    hold_until: float | None = None
    strikes: int = 0
    instance: str | None = None
    home: str | None = None
    sole_on: str | None = None
    load: float | None = None
    read_only: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """Its state as people see it: a hold is what shows of a worker that is online."""
        online = self.state is WorkerState.ONLINE
        return self.hold.value if online and self.hold is not None else self.state.value


class WorkerKey(StrEnum):
    """What a list of workers is sorted by; those that were seen at the same time are sorted by their ids."""

    WORKER_ID = "worker_id"
    LAST_SEEN = "last_seen"


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """How a list of workers is sorted.

    Attributes:
        descending: the last one first.
    """

    key: WorkerKey = WorkerKey.WORKER_ID
    descending: bool = False

    @property
    def sort(self) -> str:
        """As it is asked for."""
        return f"-{self.key}" if self.descending else self.key.value


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """A place in a list of workers: behind one of them. When it was seen, Unix seconds, is of use only to a
    list that is sorted by it."""

    worker_id: str
    last_seen: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFilter:
    """Which workers a list shows; None and nothing fit every one.

    Attributes:
        statuses: as people see them.
        labels: a worker has to have all of them.
    """

    statuses: Collection[str] | None = None
    labels: Collection[str] = ()

    def fits(self, worker: Worker) -> bool:
        """Whether a worker is one of them."""
        if self.statuses is not None and worker.status not in self.statuses:
            return False
        return all(label in worker.labels for label in self.labels)
