"""The client's configuration: what `client.toml` may hold. Durations are seconds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import field

from dffmpeg.configuration.common import Connection, Process, Seconds, Section
from dffmpeg.model.environment import DEFAULT_NAMES


class Fallback(Section, frozen=True):
    when: Literal["never", "unreachable", "busy"] = "never"
    """`busy` includes `unreachable`."""
    after: Seconds = 10.0
    binaries: dict[str, str] = {}
    """Program to its path on this machine; a program that is not named is looked up on the PATH."""


class JobDefaults(Section, frozen=True):
    """What is said of every job, the stand-ins' too; a flag of `submit` goes before it."""

    priority: Annotated[int, msgspec.Meta(ge=-100, le=100)] | str | None = None
    """A number, or the name of one of the coordinator's classes."""
    labels: list[str] = []
    require: list[str] = []
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    assignment_timeout: Seconds | None = None
    lease: Seconds | None = None
    run_timeout: Seconds | None = None
    stall_timeout: Seconds | None = None
    retry_exit_codes: list[int] = []
    retry_stderr: list[str] = []
    impossible: Literal["wait", "fail", "run"] | None = None
    """None: `run` for the stand-ins, `wait` for what is submitted."""
    retention: Seconds | None = None
    hooks: list[str] = []


class Submit(Section, frozen=True):
    """What `dffmpeg-client submit` does of itself; stand-ins never do."""

    probe_size: bool = False
    """Whether a local ffprobe tells how much work a job is, where no size is given."""
    probe_timeout: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0


class ClientConfig(Connection, frozen=True):
    process: ClassVar[Process | None] = "client"
    paths: dict[str, str] = {}
    """Path variable to directory: Movies = "/mnt/media/movies"."""
    unmapped_paths: Literal["error", "warn", "ignore"] = "error"
    """What to do about a path that is there for the caller, and that no mapping covers."""
    transports: list[str] = field(default_factory=lambda: ["websocket", "http_polling"])
    """Ways to follow a job, in order of preference."""
    heartbeat_interval: Seconds = 2.0
    pending_timeout: Seconds | None = None
    """Give a job up that no worker took for so long; none: it waits."""
    connect_timeout: Seconds = 60.0
    """How long an unreachable coordinator is tried again before that is an error."""
    environment: list[str] = field(default_factory=lambda: list(DEFAULT_NAMES))
    """Variables that travel with a job; a `*` at the end stands for any rest."""
    agent: bool = True
    """Whether the stand-ins start an agent that the calls to come share."""
    agent_idle: Seconds = 600.0
    """How long an agent without calls stays."""
    job: JobDefaults = JobDefaults()
    submit: Submit = Submit()
    fallback: Fallback = field(default_factory=Fallback)
