"""What the client half of a downlink is, and how the installed ones are found.

A transport is registered by an entry point of the group `dffmpeg.transports.client`,
named as on the wire, that loads a function from the transport's settings (its table of
`transport_settings`, which it checks) to a `TransportFactory`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from dffmpeg.errors import BadInput
from dffmpeg.transports.entries import load_entry, refuse_unknown
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.link import CallRoute, Fenced
from dffmpeg.wire.workers import DownlinkMessage

ENTRY_POINTS = "dffmpeg.transports.client"


@dataclass(frozen=True, slots=True)
class Pieces:
    """Frames of one attempt's streams, from the coordinator."""

    job_id: str
    frames: list[Frame]


class Link(Protocol):
    """A connection on which the receiver may speak too, for as long as it lasts."""

    async def call(self, route: CallRoute, job_id: str, body: Any) -> None:
        """Report something and wait for the answer.

        Raises:
            Unreachable: the connection broke, or no answer came.
            Refused: the coordinator said no.
        """

    async def send(self, message: Sequence[bytes]) -> None:
        """Send a message of frames, in parts; see `dffmpeg.wire.link.parts`.

        Raises:
            Unreachable: the connection broke.
        """


Arrival = DownlinkMessage | Link | Pieces | Fenced
"""What comes over a downlink. A link comes first of all, where there is one."""


class ClientTransport(Protocol):
    """One downlink of one receiver. May remember from one connection to the next what it has received."""

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Arrival]]:
        """Connect; leaving the context disconnects.

        Entering returns once messages can arrive. The iterator ends when the
        coordinator ended the connection in good order; reconnecting is the caller's business.

        Raises:
            Unreachable: from entering or iterating: no connection, or it broke.
            Refused: the coordinator said no.
            BadInput: the metadata or a message cannot be used.
        """
        ...


TransportFactory = Callable[[SignedHttp, Mapping[str, Any]], ClientTransport]
"""Makes a transport from signed connections and the metadata that the coordinator named."""


def text_of(metadata: Mapping[str, Any], key: str) -> str:
    """A text in a transport's metadata.

    Raises:
        BadInput: there is none.
    """
    found = metadata.get(key)
    if not isinstance(found, str) or not found:
        raise BadInput(f"transport_metadata.{key}: expected a text")
    return found


def path_of(metadata: Mapping[str, Any]) -> str:
    """The `path` in a transport's metadata.

    Raises:
        BadInput: there is none.
    """
    path = metadata.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise BadInput("transport_metadata.path: expected a path")
    return path


def load(names: Iterable[str], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, TransportFactory]:
    """The installed client halves of these names.

    Args:
        settings: of transports, by their names.

    Raises:
        ConfigurationError: one is not installed, or its settings do not fit, or are of none that there is.
    """
    refuse_unknown(ENTRY_POINTS, settings, "transport_settings")
    return {name: load_entry(ENTRY_POINTS, name, "transports")(settings.get(name, {})) for name in names}
