"""What the configurations share: value types with their bounds, and the strict base of every section."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from dffmpeg.logs import LogFormat

Seconds = Annotated[float, msgspec.Meta(gt=0, le=31_536_000)]
Keep = Seconds | Literal["forever"]
"""How long something is kept."""
Size = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
Window = Annotated[int, msgspec.Meta(ge=64 * 1024, le=1 << 32)]
"""Bytes under way: with none, nothing would ever move."""
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Process = Literal["coordinator", "worker", "client"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Section(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of a TOML file; an unknown key is an error, which names it."""

    process: ClassVar[Process | None] = None
    """Whose configuration it is, if it is a whole file."""

    @property
    def holds_key(self) -> bool:
        """Whether nobody else should be able to read the file."""
        return False


class Telemetry(Section, frozen=True):
    """Spans for an OpenTelemetry collector; where that is, the environment says (OTEL_…)."""

    enabled: bool = False
    command_lines: bool = False
    """Whether spans tell programs' arguments, which may hold secrets."""


class Trust(Section, frozen=True):
    """Whose certificate a coordinator must have, and what we show it."""

    cafile: str | None = None
    """Certificates in PEM form that its own must come from, in place of the system's."""
    certfile: str | None = None
    """Ours, with what stands between it and its authority, in PEM form."""
    keyfile: str | None = None
    """Its private key, where `certfile` does not hold it."""


SYSTEM = Trust()
"""Whose certificates the system trusts."""


class Connection(Section, frozen=True):
    """Where the coordinator is and who we are; base of the worker's and the client's configuration.

    `coordinator_url` may carry the path prefix of a reverse proxy. `hmac_key` is
    base64 of 32 bytes, as `dffmpeg-admin user add` prints it.
    """

    coordinator_url: str
    client_id: str
    hmac_key: str
    log_level: LogLevel = "INFO"
    log_format: LogFormat = "text"
    tls: Trust = SYSTEM

    @property
    def holds_key(self) -> bool:
        return True

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(client_id={self.client_id!r}, coordinator_url={self.coordinator_url!r})"
        )
