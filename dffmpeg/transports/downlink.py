"""The coordinator's half of a downlink: what every way of reaching a worker or a client offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import trio

from dffmpeg.errors import BadInput
from dffmpeg.store.messages import MessageRepository
from dffmpeg.wire.workers import DownlinkMessage

Audience = Literal["worker", "requester"]
"""As what a message's recipient listens: as a worker, or as the requester of one job."""


class Downlink(Protocol):
    """Carries hints to recipients.

    Whatever it loses, reconciliation restores; so `send` never waits for the
    recipient, and never raises because of it.
    """

    @property
    def name(self) -> str:
        """As callers list it in `supported_transports`."""

    @property
    def failing_since(self) -> float | None:
        """Since when it cannot be used, as `trio.current_time` has it; None while it can."""

    def worker_metadata(self, worker_id: str) -> dict[str, Any]:
        """What a worker has to know in order to listen."""

    def job_metadata(self, requester_id: str, job_id: str) -> dict[str, Any]:
        """What a requester has to know in order to listen for one job."""

    def connected(self, recipient_id: str) -> bool | None:
        """Whether the recipient has a connection open; None where the downlink knows of none."""

    def dismiss(self, recipient_id: str) -> None:
        """End the recipient's connection, where there is one: it is to connect again."""

    async def send(self, message: DownlinkMessage, audience: Audience) -> None:
        """Hand a message over for its recipient; a requester is told of the job that the message names."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Live until cancelled: keep open what it needs, and close that at the end. May be run again.

        A server that cannot be reached is no failure of this: the downlink says so with `failing_since`
        and goes on trying. What it raises is a defect, after which its supervisor runs it anew.

        Args:
            ready: to be called, once, when it has found out whether it can be used; the coordinator's
                start waits for that.
        """


class TransportByName(Protocol):
    """Gives the transport of a name."""

    def __call__(self, name: str, key: str = ..., /) -> Downlink:
        """Make it, where nobody has asked for it yet.

        Args:
            key: where the configuration has the name, for errors.

        Raises:
            ConfigurationError: there is none, or its settings do not fit.
        """


KeysOf = Callable[[str], Awaitable[tuple[bytes, ...] | None]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a downlink may use of the coordinator that it is made for.

    Attributes:
        messages: the repository of messages, as long as the database is open.
        keys_of: the secrets of a recipient that are good now, with which messages over a broker are sealed,
            None where there is no such identity, may raise StoreUnavailable; None where nothing is sealed.
        transport: another transport by its name, whose own settings are used. It is made once, however
            many ask for it, and lives in the coordinator's tree whether it is enabled or not.
    """

    messages: Callable[[], MessageRepository]
    transport: TransportByName
    keys_of: KeysOf | None = None


class DownlinkFactory(Protocol):
    """What the entry points of the group `dffmpeg.transports.server` load."""

    def create(self, settings: Mapping[str, Any], surroundings: Surroundings) -> Downlink:
        """Make the downlink from its table of `transports.transport_settings`.

        Raises:
            ConfigurationError: the settings do not fit.
        """


class Downlinks:
    """The downlinks that are enabled, by name.

    Args:
        beneath: those that only carry what others send.
        grace: seconds for which one that fails keeps those who use it.
    """

    def __init__(
        self, enabled: Sequence[Downlink], beneath: Sequence[Downlink] = (), *, grace: float = 15.0
    ) -> None:
        self._by_name: Mapping[str, Downlink] = {downlink.name: downlink for downlink in enabled}
        self._grace = grace
        self.living: tuple[Downlink, ...] = (*enabled, *beneath)
        """All that are to be run."""

    def __getitem__(self, name: str) -> Downlink:
        return self._by_name[name]

    def get(self, name: str | None) -> Downlink | None:
        """The downlink of that name, if it is enabled."""
        return self._by_name.get(name) if name is not None else None

    def choose(self, preferences: Sequence[str], current: str | None = None) -> Downlink:
        """The first of the caller's list that is enabled and can be used; an empty list leaves it to us.

        Where none can be used it is the first that is enabled: a worker that is refused would lose its
        jobs, and one without messages finds out at its registrations.

        Args:
            current: what the caller uses. For as long as the grace that passes for usable: a broker that
                is restarted is back before everybody has moved.

        Raises:
            BadInput: none of them is enabled.
        """
        found = self._enabled(preferences)
        for downlink in found:
            since = downlink.failing_since
            if since is None or (downlink.name == current and trio.current_time() < since + self._grace):
                return downlink
        return found[0]

    def _enabled(self, preferences: Sequence[str]) -> Sequence[Downlink]:
        found = [self._by_name[name] for name in preferences or self._by_name if name in self._by_name]
        if not found:
            raise BadInput(
                f"supported_transports: none of {list(preferences)} is enabled here; enabled: {self.names}"
            )
        return found

    def preferred(self, preferences: Sequence[str]) -> str:
        """The name of the first of the caller's list that is enabled, whether it can be used or not.

        Raises:
            BadInput: none of them is enabled.
        """
        return self._enabled(preferences)[0].name

    @property
    def names(self) -> list[str]:
        return list(self._by_name)

    def health(self) -> dict[str, str]:
        """By name, `online` or `unhealthy`."""
        return {
            name: "online" if link.failing_since is None else "unhealthy"
            for name, link in self._by_name.items()
        }
