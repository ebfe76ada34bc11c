"""Somebody who is told of every alert, by the change feed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from dffmpeg.client.api import Client
from dffmpeg.client.feed import Connected, Feed, News, Told
from dffmpeg.wire import codec
from dffmpeg.wire.dashboard import Alert
from tests.cluster.kit import GUARD


@dataclass
class Alarm:
    """What is shown.

    Attributes:
        alerts: by kind and subject, as they were told last.
        connected: from then on it is told.
    """

    alerts: dict[tuple[str, str], Alert] = field(default_factory=dict)
    connected: trio.Event = field(default_factory=trio.Event)
    _told: trio.Event = field(default_factory=trio.Event)

    async def until(self, kind: str, fits: Callable[[Alert], bool] = lambda _: True) -> Alert:
        """Wait for an alert of that kind; returns it."""
        with trio.fail_after(GUARD):
            while True:
                for alert in self.alerts.values():
                    if alert.kind == kind and fits(alert):
                        return alert
                await self._told.wait()

    async def until_over(self, alert: Alert) -> None:
        """Wait until there is nothing of that kind about that subject any more."""
        with trio.fail_after(GUARD):
            while (alert.kind, alert.subject) in self.alerts:
                await self._told.wait()

    async def take(self, news: News) -> None:
        """Of the feed."""
        if isinstance(news, Connected):
            self.connected.set()
        if isinstance(news, Told) and news.kind == "alerts":
            found = codec.decode(news.data, list[Alert])
            self.alerts = {(one.kind, one.subject): one for one in found}
            told, self._told = self._told, trio.Event()
            told.set()


@asynccontextmanager
async def listening(client: Client) -> AsyncIterator[Alarm]:
    """An alarm around a block."""
    alarm = Alarm()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Feed(client._http, ["alerts"]).run, alarm.take)
        with trio.fail_after(GUARD):
            await alarm.connected.wait()
        yield alarm
        nursery.cancel_scope.cancel()
