"""What it takes to start a program here: everything of a job, resolved for this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dffmpeg.errors import DffmpegError
from dffmpeg.model.views import ViewPlan


class CannotStart(DffmpegError):
    """The program could not be started; the text says why, for the user."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What one of the program's descriptors is: see `dffmpeg.wire.jobs.Descriptor`.

    Attributes:
        path: of a `file`, this machine's own.
        below: the directory that the file must still lie in once it is open.
    """

    number: int
    kind: Literal["closed", "null", "pipe", "terminal", "same", "file"]
    direction: Literal["in", "out"] = "in"
    of: int = 0
    path: bytes = b""
    below: tuple[bytes, ...] = ()
    offset: int = 0
    append: bool = False


STANDARD_DESCRIPTORS = (
    Descriptor(0, "null"),
    Descriptor(1, "pipe", "out"),
    Descriptor(2, "pipe", "out"),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who the program runs as, credentials(7)."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Renamed:
    """Directories that stand in a program's arguments under other names than its caller's.

    Attributes:
        here: variable to this machine's directory.
        there: the same variables to the caller's.
    """

    here: Mapping[str, bytes]
    there: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run.

    Attributes:
        program: absolute path of the executable.
        arguments: what follows it.
        directory: where it runs, as seen inside the view; None for an empty temporary one of its own.
        may_hang: going to that directory may take for ever; a child does that by itself.
        environment: all of it; None for the worker's own, without what is meant for the worker.
        umask: None for the worker's own.
        ignored_signals: numbers of signals that it ignores from the start; all others have their default.
        descriptors: each number at most once; `same` only names one that stands before it. No other is open.
        terminal_size: rows and columns.
        credentials: None for the worker's own.
        view: the mount namespace that it runs in; None for the worker's own.
        renamed: what has to be named back in what it prints; None where it prints its caller's names.
        substitutions: encoders that this machine's own stand in for.
    """

    program: bytes
    arguments: tuple[bytes, ...]
    directory: bytes | None = None
    may_hang: bool = False
    environment: Mapping[bytes, bytes] | None = None
    umask: int | None = None
    ignored_signals: tuple[int, ...] = ()
    descriptors: tuple[Descriptor, ...] = STANDARD_DESCRIPTORS
    terminal_size: tuple[int, int] | None = None
    credentials: Credentials | None = None
    view: ViewPlan | None = None
    renamed: Renamed | None = None
    substitutions: Mapping[str, str] = field(default_factory=dict)
