"""The polling downlink, receiver's half: requests that the coordinator answers when there is something."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from dffmpeg.transports.client import Arrival, path_of
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire.workers import DownlinkMessage, Messages

WAIT_SECONDS = 20


class HttpPollingClient:
    """`ClientTransport` over GET requests that are held up to `WAIT_SECONDS`."""

    def __init__(self, http: SignedHttp, metadata: Mapping[str, Any]) -> None:
        self._http = http
        self._path = path_of(metadata)
        self._last: str | None = None

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Arrival]]:
        first = await self._poll(0)
        async with contextlib.aclosing(self._messages(first)) as messages:
            yield messages

    async def _messages(self, batch: list[DownlinkMessage]) -> AsyncGenerator[DownlinkMessage, None]:
        while True:
            for message in batch:
                self._last = message.message_id
                yield message
            batch = await self._poll(WAIT_SECONDS)

    async def _poll(self, wait: int) -> list[DownlinkMessage]:
        query = {"wait": str(wait)}
        if self._last is not None:
            query["last_message_id"] = self._last
        answer = await self._http.call("GET", self._path, Messages, query=query, timeout=wait + 10.0)
        return answer.messages
