"""The coordinator's configuration: what `coordinator.toml` may hold. Durations are seconds, sizes bytes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import field

from dffmpeg.configuration.common import (
    Count,
    Keep,
    LogLevel,
    Port,
    Process,
    Seconds,
    Section,
    Size,
    Telemetry,
    Window,
)
from dffmpeg.configuration.scheduling import Scheduling
from dffmpeg.logs import LogFormat


class Repository(Section, frozen=True):
    """One of `auth`, `jobs`, `workers`, `messages`, `streams`."""

    engine: str | None = None
    """The database's, where none is named."""
    encryption_keys: list[str] = []
    """Only `auth`: Fernet keys, the first encrypts, all decrypt."""
    encryption_keys_file: str | None = None

    def __repr__(self) -> str:
        return f"Repository(engine={self.engine!r})"


class Database(Section, frozen=True):
    engine: str = "sqlite"
    engine_defaults: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"sqlite": {"path": "dffmpeg.db"}}
    )
    repositories: dict[str, Repository] = {}

    def __repr__(self) -> str:
        # The engines' settings may hold passwords.
        return f"Database(engine={self.engine!r}, repositories={self.repositories!r})"


class Transports(Section, frozen=True):
    enabled_transports: list[str] = field(default_factory=lambda: ["websocket", "http_polling"])
    transport_settings: dict[str, dict[str, Any]] = {}
    grace: Seconds = 15.0
    """A transport that fails for so long is not given to those any more who use it."""

    def __repr__(self) -> str:
        return f"Transports(enabled_transports={self.enabled_transports!r})"


class Janitor(Section, frozen=True):
    interval: Seconds = 10.0
    job_assignment_timeout: Seconds = 30.0
    message_retention: Seconds = 3600.0
    vacuum_interval: Seconds = 3600.0


class Retention(Section, frozen=True):
    """How long what is over is kept, from its end on."""

    jobs: Keep = 7 * 86_400.0
    """Finished jobs, with their attempts; a job's own `retention` goes before this and before `output`."""
    output: Keep = 3 * 86_400.0
    runs: Seconds = 86_400.0
    """The janitor's own runs."""
    audit: Keep = 365 * 86_400.0
    """The audit trail."""


class Leases(Section, frozen=True):
    """How long silence is borne before the coordinator acts on it."""

    worker: Seconds = 60.0
    """A worker that did not renew for so long is lost, and its jobs move."""
    worker_disconnect: Seconds = 10.0
    """The same, once its downlink's connection was closed at its end."""
    client_disconnect: Seconds = 4.0
    """A monitored job is killed so long after its client closed its connection."""
    client_factor: Annotated[float, msgspec.Meta(ge=1.5, le=100)] = 4.0
    """A monitored job is canceled after so many heartbeat intervals without its client."""


class Streams(Section, frozen=True):
    window: Window = 4 * 1024 * 1024
    """Bytes of a stream that are under way: what the caller has not taken yet."""
    stderr_head: Size = 8 * 1024 * 1024
    stderr_tail: Size = 8 * 1024 * 1024
    stdout_kept: Size = 256 * 1024 * 1024
    """Of a detached job's stdout; what comes behind it is dropped."""


class Limits(Section, frozen=True):
    body: Annotated[int, msgspec.Meta(ge=64 << 10, le=1 << 32)] = 2 * 1024 * 1024
    """Of a request; an output request may have `output_body`."""
    output_body: Annotated[int, msgspec.Meta(ge=4 << 20, le=1 << 32)] = 8 * 1024 * 1024
    arguments: Count = 20_000
    failed_authentications: Count = 30
    """In a minute, from an address or in the name of an identity; further ones are answered 429."""
    headers: Annotated[int, msgspec.Meta(ge=4 << 10, le=1 << 20)] = 16 * 1024
    """Of a request, its line included."""
    header_timeout: Seconds = 10.0
    """In which a request's headers have to be there, from their first byte on."""
    body_timeout: Seconds = 60.0
    idle_timeout: Seconds = 30.0
    """Of a connection between two requests. Longer than HTTP clients keep theirs, so that it is rarely this
    end that closes one just being used."""
    connections_per_address: Count = 1000
    """A load balancer that trusted_proxies names counts as nobody, and neither does this machine itself."""
    requests_per_identity: Count = 5000
    """That are under way at once, WebSockets and polls among them."""
    control_frames: Count = 20
    """Of a WebSocket, pings and such, in a second."""
    live_jobs: Count = 10_000
    workers: Count = 10_000


class Retries(Section, frozen=True):
    max_attempts: Count = 3
    backoff_minimum: Seconds = 0.5
    backoff_maximum: Seconds = 30.0


class Timeouts(Section, frozen=True):
    """For jobs whose submitters do not say; waiting, assignments and leases have theirs elsewhere."""

    run: Seconds | None = None
    """None: a program may run for as long as it takes."""
    stall: Seconds | None = None
    """None: a program that waits for a network source looks the same, and would be run again for nothing."""


class Hooks(Section, frozen=True):
    """Calls of the URLs that jobs name."""

    allowed: list[str] = []
    """URLs at and below which jobs may have calls made; none: hooks are refused."""
    secret: str | None = None
    """Calls are signed with it."""
    timeout: Seconds = 10.0
    """For a whole call."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    max_tries: Count = 15
    max_age: Seconds = 86_400.0
    backoff_minimum: Seconds = 1.0
    backoff_maximum: Seconds = 3600.0

    def __repr__(self) -> str:
        return f"Hooks(allowed={self.allowed!r})"


class Security(Section, frozen=True):
    clock_drift: Seconds = 30.0
    allow_legacy_signatures: bool = False
    """Whether programs of version 0.4 may sign as they do: without the query, and without a nonce."""
    trusted_proxies: list[str] = []
    dashboard_origins: list[str] = []
    """Under which browsers have the dashboard, where that cannot be told from the Host header."""
    sign_in_networks: list[str] = []
    """From where one may sign in without being let look by `allowed_dashboard_ips`."""
    session_lifetime: Annotated[float, msgspec.Meta(ge=60, le=31_622_400)] = 12 * 3600.0


class Tls(Section, frozen=True):
    """The coordinator's own certificate; without one it speaks plain HTTP."""

    certfile: str | None = None
    """Certificate in PEM form, with what stands between it and its authority."""
    keyfile: str | None = None
    """Its private key, where `certfile` does not hold it."""
    client_cafile: str | None = None
    """Certificates in PEM form that a client's must come from; with them, nobody connects without one."""


class Cluster(Section, frozen=True):
    """Several coordinators on one database server."""

    advertise: str | None = None
    """`http://host:port` at which the other coordinators reach this one."""
    secret: str | None = None
    """The same at all of them: what they pass on to each other is sealed with it."""
    cafile: str | None = None
    """Where coordinators speak TLS: certificates that the others' come from, in place of the system's."""
    lease: Annotated[float, msgspec.Meta(ge=1, le=300)] = 5.0
    """So long after its last sign of life the others take over what a coordinator did."""

    def __repr__(self) -> str:
        return f"Cluster(advertise={self.advertise!r})"


class Debug(Section, frozen=True):
    routes: bool = False
    """Adds routes that crash actors by hand. Never on a real cluster."""


class CoordinatorConfig(Section, frozen=True):
    process: ClassVar[Process | None] = "coordinator"
    host: str = "127.0.0.1"
    port: Port = 8000
    log_level: LogLevel = "INFO"
    log_format: LogFormat = "text"
    proxy_protocol: bool = False
    """Whether each connection begins with a PROXY protocol header, which only trusted proxies may send."""
    shutdown_delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0
    """Between saying at /health that this one goes, and going."""
    default_job_heartbeat_interval: Seconds = 5.0
    default_pending_timeout: Seconds | None = None
    """None: a job waits until a worker can take it."""
    allowed_binaries: list[str] = field(default_factory=lambda: ["ffmpeg", "ffprobe"])
    web_dashboard_enabled: bool = True
    allowed_dashboard_ips: list[str] = field(default_factory=lambda: ["127.0.0.0/8", "::1/128"])
    allowed_metrics_ips: list[str] = field(default_factory=lambda: ["127.0.0.0/8", "::1/128"])
    database: Database = Database()
    transports: Transports = Transports()
    janitor: Janitor = Janitor()
    retention: Retention = Retention()
    leases: Leases = Leases()
    streams: Streams = Streams()
    limits: Limits = Limits()
    retries: Retries = Retries()
    timeouts: Timeouts = Timeouts()
    scheduling: Scheduling = Scheduling()
    hooks: Hooks = Hooks()
    security: Security = Security()
    tls: Tls = Tls()
    cluster: Cluster = Cluster()
    telemetry: Telemetry = Telemetry()
    debug: Debug = Debug()

    @property
    def holds_key(self) -> bool:
        database = self.database
        keys = any(repository.encryption_keys for repository in database.repositories.values())
        tables = [*database.engine_defaults.values(), *self.transports.transport_settings.values()]
        passwords = any("password" in options for options in tables)
        secrets = (self.hooks.secret, self.cluster.secret)
        return keys or passwords or any(secret is not None for secret in secrets)
