"""What is said to the mounts actor, by others and by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dffmpeg.actors.runtime import Request
from dffmpeg.actors.worker.mounts.looks import Released, TableChanged
from dffmpeg.model.mounts import Faulty, Fine, Recovered, Silent


class PresentPaths(Request[Mapping[str, bytes]]):
    """Variable to directory, of those that were there when last looked at."""


@dataclass(frozen=True, slots=True)
class UsablePaths(Request[Mapping[str, bytes]]):
    """The same, once what stands behind `names` and may hang was looked at again; within a look's time."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class LostPaths(Request[Mapping[str, str]]):
    """Which of `names` lie on a configured mount that is gone or hung, and why, once it was looked at now."""

    names: frozenset[str]


class MountStates(Request[Mapping[str, str]]):
    """Of each mount, its state in words."""


@dataclass(frozen=True, slots=True)
class Key:
    """A mount, or a mapped path."""

    name: str
    mount: bool


@dataclass(frozen=True, slots=True)
class Look:
    """The time has come to look again."""

    key: Key


@dataclass(frozen=True, slots=True)
class Looked:
    """A look has ended."""

    key: Key
    began: float
    result: Fine | Faulty | Silent


@dataclass(frozen=True, slots=True)
class Restarted:
    """A mount's unit was restarted, or could not be."""

    name: str
    how: Recovered


@dataclass(frozen=True, slots=True)
class Begin:
    """The first looks have had their time."""


@dataclass(frozen=True, slots=True)
class Think:
    """Something that was put off is due."""


MountsRequest = PresentPaths | UsablePaths | LostPaths | MountStates
MountsMessage = MountsRequest | Look | Looked | Restarted | Begin | Think | Released | TableChanged
