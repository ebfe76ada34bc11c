"""What it takes to start a program here: everything of a job, resolved for this machine."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dffmpeg.errors import DffmpegError
from dffmpeg.model.confinement import Confinement
from dffmpeg.model.jobs import Executed
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
class Limits:
    """What a program may use at most; None is no limit.

    Attributes:
        cpu_time: seconds of processor time, of all its threads.
        memory: bytes that it may write to, of its own, RLIMIT_DATA.
        file_size: bytes of one file.
        processes: of its user, threads counted; root has no such limit.
        nice: how much it gives way, from 0 to 19.
        idle: whether it uses disks only when nobody else does.
    """

    cpu_time: float | None = None
    memory: int | None = None
    file_size: int | None = None
    processes: int | None = None
    nice: int = 0
    idle: bool = False


def reached(limits: Limits, code: int, cpu_time: float) -> str | None:
    """Which limit a program came to, as far as its end shows that.

    Args:
        code: its exit code, or the negative number of the signal that ended it.
        cpu_time: seconds of processor time that it used.
    """
    # The signal alone tells it: the kernel's account at that moment may be a tick short.
    spent = code == -signal.SIGXCPU or (code != 0 and cpu_time >= (limits.cpu_time or 0.0))
    if limits.cpu_time is not None and spent:
        return f"it used its {limits.cpu_time:g} s of processor time (limits.cpu_time of the worker)"
    if code == -signal.SIGXFSZ and limits.file_size is not None:
        return f"a file came to its {limits.file_size} bytes (limits.file_size of the worker)"
    return None


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
        limits: what it may use.
        confinement: what it may touch, as far as the kernel can see to that; None for everything.
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
    confinement: Confinement | None = None
    limits: Limits = field(default_factory=Limits)

    def executed(self) -> Executed:
        """What there is to tell of it."""
        return Executed(
            words=(self.program, *self.arguments), directory=self.directory, in_view=self.view is not None
        )
