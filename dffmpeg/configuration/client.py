"""The client's configuration: what `client.toml` may hold. Durations are seconds."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from dffmpeg.configuration.common import Connection, Seconds


class ClientConfig(Connection, frozen=True):
    paths: dict[str, str] = {}
    """Path variable to directory: Movies = "/mnt/media/movies"."""
    unmapped_paths: Literal["error", "warn", "ignore"] = "error"
    """What to do about a path that is there for the caller, and that no mapping covers."""
    transports: list[str] = field(default_factory=lambda: ["websocket", "http_polling"])
    """Ways to follow a job, in order of preference."""
    heartbeat_interval: Seconds = 5.0
    pending_timeout: Seconds | None = None
    """Give a job up that no worker took for so long; none: it waits."""
    connect_timeout: Seconds = 60.0
    """How long an unreachable coordinator is tried again before that is an error."""
