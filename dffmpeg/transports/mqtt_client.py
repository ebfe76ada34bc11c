"""The MQTT downlink, receiver's half: subscribes to the topic that the coordinator named.

The session is a clean one: it ends with the connection. Whoever connects again registers again, and is told
then all that the messages in between said, and what became of it since; a session that is kept would bring
the old hints before that, and would be kept for receivers that never come back.
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
from dffmpeg.transports.mqtt_connection import open_mqtt
from dffmpeg.transports.mqtt_settings import MqttSettings
from dffmpeg.transports.signed_http import SignedHttp


def configure(settings: Mapping[str, Any]) -> TransportFactory:
    """As the entry point has it."""
    found = broker_settings(MqttSettings, "transport_settings.mqtt", settings)
    return partial(MqttClient, found)


class MqttClient:
    """`ClientTransport` over MQTT."""

    def __init__(self, settings: MqttSettings, http: SignedHttp, metadata: Mapping[str, Any]) -> None:
        self._settings = settings
        self._recipient = http.client_id
        self._genuine = genuine(http, metadata)
        self._topic = text_of(metadata, "topic")
        self._recent = Recent()

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Arrival]]:
        async with open_mqtt(self._settings, f"dffmpeg-{self._recipient}") as connection:
            await connection.subscribe_topic(self._topic)
            arriving = messages(connection, self._recipient, self._recent, self._genuine)
            async with contextlib.aclosing(arriving) as arrivals:
                yield arrivals
