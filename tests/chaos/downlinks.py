"""The downlinks that a cluster may have: how processes are configured for it, and how its broker breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.victims import Victim


@dataclass(frozen=True, slots=True)
class Downlink:
    """A downlink, with its broker running if it has one.

    Attributes:
        names: in the order in which workers prefer them.
        coordinator: the coordinator's `transport_settings`, by name.
        ports: of the broker's nodes, through which workers reach it.
        victims: what of it may break.
    """

    names: Sequence[str]
    coordinator: Mapping[str, Any] = field(default_factory=dict)
    ports: Sequence[int] = ()
    victims: Sequence[Victim] = ()


@asynccontextmanager
async def open_websocket() -> AsyncIterator[Downlink]:
    """No broker."""
    yield Downlink(["websocket", "http_polling"])


@asynccontextmanager
async def open_http_polling() -> AsyncIterator[Downlink]:
    """No broker."""
    yield Downlink(["http_polling"])


DOWNLINKS = {"websocket": open_websocket, "http_polling": open_http_polling}
