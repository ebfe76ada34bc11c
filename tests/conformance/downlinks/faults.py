"""A downlink over another one that loses, repeats and reorders: a transport of somebody else's, as far as
the project knows."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from ulid import ULID

from dffmpeg.configuration.common import Section
from dffmpeg.transports import client
from dffmpeg.transports.client import TransportFactory
from dffmpeg.transports.downlink import Audience, Downlink, Surroundings
from dffmpeg.transports.settings import parsed
from dffmpeg.wire.workers import DownlinkMessage

LOST, TWICE, LATE = 0.3, 0.2, 0.2
"""Shares of all messages."""


class FaultySettings(Section, frozen=True):
    over: str
    seed: int = 1
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    """The receiver's, of the transport beneath."""


class FaultyDownlink:
    name = "faulty"

    def __init__(self, inner: Downlink, seed: int) -> None:
        self.lost = 0
        self._inner = inner
        self._random = random.Random(seed)
        self._late: list[tuple[DownlinkMessage, Audience]] = []

    @classmethod
    def create(cls, settings: Mapping[str, Any], surroundings: Surroundings) -> FaultyDownlink:
        found = parsed(FaultySettings, cls.name, settings)
        return cls(surroundings.transport(found.over), found.seed)

    @property
    def failing_since(self) -> float | None:
        return self._inner.failing_since

    def worker_metadata(self, worker_id: str) -> dict[str, Any]:
        return self._inner.worker_metadata(worker_id)

    def job_metadata(self, requester_id: str, job_id: str) -> dict[str, Any]:
        return self._inner.job_metadata(requester_id, job_id)

    def connected(self, recipient_id: str) -> bool | None:
        return self._inner.connected(recipient_id)

    def dismiss(self, recipient_id: str) -> None:
        self._inner.dismiss(recipient_id)

    async def send(self, message: DownlinkMessage, audience: Audience) -> None:
        chance = self._random.random()
        if chance < LOST:
            self.lost += 1
        elif chance < LOST + LATE:
            self._late.append((message, audience))
            return
        else:
            await self._inner.send(message, audience)
            if chance < LOST + LATE + TWICE:
                # Under a name of its own, so that nobody knows it again.
                again = msgspec.structs.replace(message, message_id=str(ULID()))
                await self._inner.send(again, audience)
        # What was held back comes behind what was sent after it, the last of it first.
        while self._late and self._random.random() < 0.5:
            await self._inner.send(*self._late.pop())

    async def run(self, ready: Callable[[], None]) -> None:
        ready()
        await trio.sleep_forever()


def configure(settings: Mapping[str, Any]) -> TransportFactory:
    found = parsed(FaultySettings, "faulty", settings)
    return client.load([found.over], {found.over: found.settings})[found.over]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install it as a package of its own, by what a package says of itself."""
    info = folder / "faulty-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        f"[dffmpeg.transports.server]\nfaulty = {__name__}:FaultyDownlink\n"
        f"[dffmpeg.transports.client]\nfaulty = {__name__}:configure\n"
    )
    monkeypatch.syspath_prepend(str(folder))
