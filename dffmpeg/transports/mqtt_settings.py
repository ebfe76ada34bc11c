"""What a configuration says of an MQTT broker: `transport_settings.mqtt`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from dffmpeg.transports.broker import Route
from dffmpeg.transports.broker_settings import BrokerSettings

_TopicPrefix = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=r"^[^#+\x00]+\Z",
        description="the beginning of a topic: 1 to 200 characters, none of them # or +",
    ),
]


class MqttSettings(BrokerSettings, frozen=True):
    """`transport_settings.mqtt`."""

    topic_prefix: _TopicPrefix = "dffmpeg"
    """Only the coordinator's: it names the whole topic to whoever is to listen."""
    protocol: Literal["3.1.1", "5"] = "5"

    def topic(self, route: Route) -> str:
        """Where a route's messages are published."""
        if route.job_id is None:
            return f"{self.topic_prefix}/workers/{route.recipient_id}"
        return f"{self.topic_prefix}/jobs/{route.recipient_id}/{route.job_id}"
