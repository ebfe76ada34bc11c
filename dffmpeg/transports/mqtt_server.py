"""The MQTT downlink, coordinator's half: a topic for each worker and each job, QoS 1."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from dffmpeg.transports.broker import BrokerConnection, Route
from dffmpeg.transports.broker_server import BrokerDownlink
from dffmpeg.transports.broker_settings import broker_settings
from dffmpeg.transports.downlink import KeysOf, Surroundings
from dffmpeg.transports.mqtt_connection import open_mqtt
from dffmpeg.transports.mqtt_settings import MqttSettings


class MqttDownlink(BrokerDownlink):
    """Publishes; nothing is retained, and the broker keeps nothing for a recipient that is not connected."""

    name = "mqtt"

    def __init__(self, settings: MqttSettings, keys_of: KeysOf | None = None) -> None:
        super().__init__(keys_of)
        self._settings = settings

    @classmethod
    def create(cls, settings: Mapping[str, Any], surroundings: Surroundings) -> MqttDownlink:
        """As the entry point makes it."""
        key = f"transports.transport_settings.{cls.name}"
        found = broker_settings(MqttSettings, key, settings)
        return cls(found, surroundings.keys_of)

    def open(self) -> AbstractAsyncContextManager[BrokerConnection]:
        return open_mqtt(self._settings, "dffmpeg-coordinator")

    def worker_metadata(self, worker_id: str) -> dict[str, Any]:
        return {"topic": self._settings.topic(Route(worker_id)), "sealed": self.seals}

    def job_metadata(self, requester_id: str, job_id: str) -> dict[str, Any]:
        return {"topic": self._settings.topic(Route(requester_id, job_id)), "sealed": self.seals}
