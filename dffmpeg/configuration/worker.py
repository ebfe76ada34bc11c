"""The worker's configuration: what `worker.toml` may hold. Durations are seconds, sizes bytes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import field

from dffmpeg.configuration.common import Connection, Process, Seconds, Section, Telemetry, Window
from dffmpeg.configuration.mounts import MountSettings
from dffmpeg.configuration.sandbox import MappedPath, ProgramLimits, Sandbox, SandboxMode
from dffmpeg.model import substitutions as model
from dffmpeg.model.environment import DEFAULT_NAMES


class Cancel(Section, frozen=True):
    """How long each step of a cancelation may take before the next, harder one."""

    interrupt: Seconds = 10.0
    """After SIGINT, on which ffmpeg finishes its file."""
    terminate: Seconds = 5.0
    """After SIGTERM; then SIGKILL."""


class Output(Section, frozen=True):
    window: Window = 4 * 1024 * 1024
    """Bytes of a stream that are kept until the coordinator says that they may be forgotten."""
    chunk: Annotated[int, msgspec.Meta(ge=1024, le=1 << 20)] = 256 * 1024


class Substitution(Section, frozen=True):
    """What stands in for an encoder that does not work here; see `dffmpeg.model.substitutions`."""

    use: str
    options: dict[str, str] = {}
    """An option to the name that it gets; to an empty one where it is left out."""
    values: dict[str, dict[str, str]] = {}
    """An option, as the caller writes it, to what stands for its values."""


class WorkerConfig(Connection, frozen=True):
    process: ClassVar[Process | None] = "worker"
    slots: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 2
    """How many jobs run here at once."""
    resources: dict[str, Annotated[int, msgspec.Meta(ge=0, le=10_000)]] = {}
    """Slots by named resource: nvenc = 3."""
    labels: Annotated[list[str], msgspec.Meta(max_length=64)] = []
    weight: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 1.0
    hours: str | None = None
    binaries: dict[str, str] = field(default_factory=lambda: {"ffmpeg": "ffmpeg", "ffprobe": "ffprobe"})
    """Name to program, looked up on the PATH if it is not absolute."""
    paths: dict[str, str | MappedPath] = {}
    """Path variable to directory: Movies = "/mnt/media/movies"; see `directories`."""
    mounts: dict[str, MountSettings] = {}
    """Mounts that mapped directories lie on, by name."""
    capabilities: list[str] = []
    environment: list[str] = field(default_factory=lambda: list(DEFAULT_NAMES))
    """Variables that are the caller's; a `*` at the end stands for any rest."""
    views: Literal["auto", "never"] = "auto"
    """Whether jobs see the client's own directories under the client's names, where that is possible."""
    run_as: Literal["worker", "caller"] = "worker"
    """Whose user and groups programs run under; `caller` needs a worker that is root, and trusts clients."""
    transports: list[str] = field(default_factory=lambda: ["websocket", "http_polling"])
    """Downlinks, in order of preference."""
    transport_settings: dict[str, dict[str, Any]] = {}
    downlink_grace: Seconds = 15.0
    """A downlink that fails for so long, while the coordinator answers, goes behind the others."""
    registration_interval: Seconds = 10.0
    drain_timeout: Seconds = 86_400.0
    """How long running jobs may take to end after the first SIGTERM."""
    cache: str | None = None
    """Folder for what was found out about programs; None is the user's, or systemd's."""
    benchmark: bool = True
    """Whether this machine measures itself once."""
    substitutions: dict[str, str | Substitution] = {}
    """Encoder to what stands in for it where it does not work here."""
    sandbox: Sandbox | SandboxMode = Sandbox()
    """See `confines`."""
    limits: ProgramLimits = ProgramLimits()
    cancel: Cancel = Cancel()
    output: Output = Output()
    telemetry: Telemetry = Telemetry()

    @property
    def directories(self) -> dict[str, str]:
        """The directory of each path variable."""
        return {name: one if isinstance(one, str) else one.path for name, one in self.paths.items()}

    @property
    def read_only(self) -> frozenset[str]:
        """The path variables whose directories no job may change."""
        return frozenset(
            name for name, one in self.paths.items() if isinstance(one, MappedPath) and one.mode == "ro"
        )

    @property
    def confines(self) -> Sandbox:
        """The sandbox in its long form."""
        return Sandbox(mode=self.sandbox) if isinstance(self.sandbox, str) else self.sandbox

    @property
    def stand_ins(self) -> dict[str, model.Substitution]:
        """The substitutions, all in their long form."""
        return {
            name: model.Substitution(use=one)
            if isinstance(one, str)
            else model.Substitution(use=one.use, options=one.options, values=one.values)
            for name, one in self.substitutions.items()
        }
