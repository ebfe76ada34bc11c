"""The coordinator's half of a downlink: what every way of reaching a worker or a client offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dffmpeg.errors import ConfigurationError
from dffmpeg.wire.workers import DownlinkMessage


class Downlink(Protocol):
    """Carries hints to recipients.

    Whatever it loses, reconciliation restores; so `send` never waits for the
    recipient, and never raises because of it.
    """

    @property
    def name(self) -> str:
        """As callers list it in `supported_transports`."""

    @property
    def healthy(self) -> bool:
        """Whether it may be chosen now."""

    def worker_metadata(self, worker_id: str) -> dict[str, Any]:
        """What a worker has to know in order to listen."""

    def job_metadata(self, requester_id: str, job_id: str) -> dict[str, Any]:
        """What a requester has to know in order to listen for one job."""

    def connected(self, recipient_id: str) -> bool | None:
        """Whether the recipient has a connection open; None where the downlink knows of none."""

    def dismiss(self, recipient_id: str) -> None:
        """End the recipient's connection, where there is one: it is to connect again."""

    async def send(self, message: DownlinkMessage) -> None:
        """Hand a message over for its recipient."""

    def close(self) -> None:
        """Close what is open; the downlink may be used again afterwards."""


class Downlinks:
    """The downlinks that are enabled, by name."""

    def __init__(self, enabled: Sequence[Downlink]) -> None:
        self._by_name: Mapping[str, Downlink] = {downlink.name: downlink for downlink in enabled}

    def __getitem__(self, name: str) -> Downlink:
        return self._by_name[name]

    def get(self, name: str | None) -> Downlink | None:
        """The downlink of that name, if it is enabled."""
        return self._by_name.get(name) if name is not None else None

    def choose(self, preferences: Sequence[str]) -> Downlink | None:
        """The first of the caller's list that is enabled and healthy; an empty list leaves it to us."""
        for name in preferences or list(self._by_name):
            downlink = self._by_name.get(name)
            if downlink is not None and downlink.healthy:
                return downlink
        return None

    @property
    def names(self) -> list[str]:
        return list(self._by_name)

    def health(self) -> dict[str, str]:
        """By name, `online` or `unhealthy`."""
        return {name: "online" if link.healthy else "unhealthy" for name, link in self._by_name.items()}


def expect_no_settings(name: str, settings: Mapping[str, Any]) -> None:
    """For a transport that has none.

    Raises:
        ConfigurationError: there are some.
    """
    if settings:
        unknown = sorted(settings)[0]
        raise ConfigurationError(
            f"transports.transport_settings.{name}.{unknown}: unknown key; it has no settings"
        )
