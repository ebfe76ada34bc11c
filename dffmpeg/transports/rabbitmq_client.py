"""The RabbitMQ downlink, receiver's half: a queue of its own, as the coordinator described it.

A worker's queue is durable, and has for it what was sent while it was away, for a while; a job's goes with
whoever listened there.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from dffmpeg.transports.broker import Recent
from dffmpeg.transports.broker_client import genuine, messages
from dffmpeg.transports.broker_settings import broker_settings
from dffmpeg.transports.client import Arrival, TransportFactory, text_of
from dffmpeg.transports.rabbitmq_connection import RabbitMqSettings, Source, open_rabbitmq
from dffmpeg.transports.signed_http import SignedHttp


def configure(settings: Mapping[str, Any]) -> TransportFactory:
    """As the entry point has it."""
    found = broker_settings(RabbitMqSettings, "transport_settings.rabbitmq", settings)
    return partial(RabbitMqClient, found)


class RabbitMqClient:
    """`ClientTransport` over RabbitMQ."""

    def __init__(self, settings: RabbitMqSettings, http: SignedHttp, metadata: Mapping[str, Any]) -> None:
        self._settings = settings
        self._recipient = http.client_id
        self._genuine = genuine(http, metadata)
        self._vhost = text_of(metadata, "vhost") if "vhost" in metadata else None
        self._source = Source(
            queue=text_of(metadata, "queue_name"),
            exchange=text_of(metadata, "exchange"),
            routing_key=text_of(metadata, "routing_key"),
            durable=bool(metadata.get("durable", False)),
            auto_delete=bool(metadata.get("auto_delete", True)),
        )
        self._recent = Recent()

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Arrival]]:
        name = f"dffmpeg-{self._recipient}"
        async with open_rabbitmq(self._settings, name, self._vhost) as connection:
            await connection.consume(self._source)
            arriving = messages(connection, self._recipient, self._recent, self._genuine)
            async with contextlib.aclosing(arriving) as arrivals:
                yield arrivals
