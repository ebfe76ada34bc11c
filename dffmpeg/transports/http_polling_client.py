"""The polling downlink, receiver's half: one answer of lines without an end, or request after request."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from functools import partial
from typing import Annotated, Any

import trio
from msgspec import Meta

from dffmpeg.configuration.common import Section
from dffmpeg.errors import Refused, Unreachable
from dffmpeg.transports.client import Arrival, TransportFactory, path_of
from dffmpeg.transports.settings import parsed
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire import codec
from dffmpeg.wire.workers import DownlinkMessage, Messages

NDJSON = "application/x-ndjson"

NOT_ACCEPTABLE = 406

PATIENCE = 10.0
"""Seconds beyond those that the coordinator was told to wait."""


class PollingSettings(Section, frozen=True):
    """`transport_settings.http_polling`."""

    streaming: bool = True
    poll_wait: Annotated[float, Meta(ge=1, le=60)] = 20.0
    """Seconds: how long a request is held, or how often a stream shows that it lives."""


def configure(settings: Mapping[str, Any]) -> TransportFactory:
    """As the entry point has it."""
    return partial(
        HttpPollingClient, settings=parsed(PollingSettings, "transport_settings.http_polling", settings)
    )


class HttpPollingClient:
    """`ClientTransport` over GET requests.

    Where no stream comes through, as some proxy gathers answers before it passes them on, or the
    coordinator knows none, it polls from then on.
    """

    def __init__(
        self, http: SignedHttp, metadata: Mapping[str, Any], settings: PollingSettings | None = None
    ) -> None:
        self._http = http
        self._path = path_of(metadata)
        self._settings = settings or PollingSettings()
        self._streaming = self._settings.streaming
        self._last: str | None = None

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Arrival]]:
        async with contextlib.AsyncExitStack() as stack:
            stream = await self._open_stream(stack) if self._streaming else None
            received = self._polled(await self._poll(0)) if stream is None else self._received(*stream)
            yield await stack.enter_async_context(contextlib.aclosing(received))

    async def _open_stream(
        self, stack: contextlib.AsyncExitStack
    ) -> tuple[AsyncIterator[bytes], bytes] | None:
        """The lines, and the first of them, which comes at once; None if there is to be no stream."""
        wait = self._settings.poll_wait
        first: bytes | None = None
        with trio.move_on_after(PATIENCE) as scope:
            opening = self._http.lines(
                self._path, accept=NDJSON, query=self._query(wait), timeout=wait + PATIENCE
            )
            try:
                lines = await stack.enter_async_context(opening)
            except Refused as error:
                if error.status != NOT_ACCEPTABLE:
                    raise
                self._streaming = False
                return None
            first = await anext(lines, None)
        if scope.cancelled_caught:
            self._streaming = False
            raise Unreachable(f"{self._path}: no line came in time; polling from now on")
        if first is None:
            raise Unreachable(f"{self._path}: the stream of messages ended before it began")
        return lines, first

    async def _received(
        self, lines: AsyncIterator[bytes], line: bytes | None
    ) -> AsyncGenerator[DownlinkMessage, None]:
        while line is not None:
            if line:
                for message in codec.decode(line, Messages, what="line").messages:
                    self._last = message.message_id
                    yield message
            line = await anext(lines, None)

    async def _polled(self, batch: list[DownlinkMessage]) -> AsyncGenerator[DownlinkMessage, None]:
        while True:
            for message in batch:
                self._last = message.message_id
                yield message
            batch = await self._poll(self._settings.poll_wait)

    async def _poll(self, wait: float) -> list[DownlinkMessage]:
        answer = await self._http.call(
            "GET", self._path, Messages, query=self._query(wait), timeout=wait + PATIENCE
        )
        return answer.messages

    def _query(self, wait: float) -> dict[str, str]:
        query = {"wait": f"{wait:g}"}
        if self._last is not None:
            query["last_message_id"] = self._last
        return query
