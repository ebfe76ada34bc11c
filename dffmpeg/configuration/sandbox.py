"""`[sandbox]` and `[limits]` of the worker's configuration, and directories that jobs may only read."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from dffmpeg.configuration.common import Seconds, Section

SandboxMode = Literal["auto", "required", "off"]
PathMode = Literal["rw", "ro"]

Bytes = Annotated[int, msgspec.Meta(ge=1, le=1 << 50)]


class MappedPath(Section, frozen=True):
    """A path variable's directory, and what jobs may do there."""

    path: str
    mode: PathMode = "rw"


class Sandbox(Section, frozen=True):
    """What jobs' programs may touch. What it means stands with `dffmpeg.model.confinement`."""

    mode: SandboxMode = "auto"
    network: Literal["deny", "allow"] = "deny"
    read: list[str] = []
    write: list[str] = []
    refuse_options: list[str] = []


class ProgramLimits(Section, frozen=True):
    """What a job's program may use; None is no limit."""

    cpu_time: Seconds | None = None
    """Of all its threads together."""
    memory: Bytes | None = None
    """That it writes to, its own and not that of files which it maps, RLIMIT_DATA."""
    file_size: Bytes | None = None
    output: Bytes | None = None
    """That it writes to its caller, its streams together."""
    run_time: Seconds | None = None
    processes: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """Of its user, threads counted; no limit for root, RLIMIT_NPROC."""
    nice: Annotated[int, msgspec.Meta(ge=0, le=19)] = 0
    io_class: Literal["normal", "idle"] = "normal"
