"""The RabbitMQ downlink, coordinator's half: two topic exchanges, a key for each worker and each job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from dffmpeg.transports.broker import BrokerConnection, Route
from dffmpeg.transports.broker_server import BrokerDownlink
from dffmpeg.transports.broker_settings import broker_settings
from dffmpeg.transports.downlink import KeysOf, Surroundings
from dffmpeg.transports.rabbitmq_connection import RabbitMqSettings, open_rabbitmq


class RabbitMqDownlink(BrokerDownlink):
    """Publishes persistent messages and has each confirmed. The queues are the receivers'."""

    name = "rabbitmq"

    def __init__(self, settings: RabbitMqSettings, keys_of: KeysOf | None = None) -> None:
        super().__init__(keys_of)
        self._settings = settings

    @classmethod
    def create(cls, settings: Mapping[str, Any], surroundings: Surroundings) -> RabbitMqDownlink:
        """As the entry point makes it."""
        key = f"transports.transport_settings.{cls.name}"
        found = broker_settings(RabbitMqSettings, key, settings)
        return cls(found, surroundings.keys_of)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[BrokerConnection]:
        async with open_rabbitmq(self._settings, "dffmpeg-coordinator") as connection:
            await connection.declare_exchanges()
            yield connection

    def worker_metadata(self, worker_id: str) -> dict[str, Any]:
        return {
            **self._metadata(Route(worker_id)),
            "queue_name": f"dffmpeg.worker.{worker_id}",
            "durable": True,
            "auto_delete": False,
        }

    def job_metadata(self, requester_id: str, job_id: str) -> dict[str, Any]:
        return {
            **self._metadata(Route(requester_id, job_id)),
            "queue_name": f"dffmpeg.job.{requester_id}.{job_id}",
            "durable": False,
            "auto_delete": True,
        }

    def _metadata(self, route: Route) -> dict[str, Any]:
        exchange, routing_key = self._settings.address(route)
        return {
            "vhost": self._settings.vhost,
            "exchange": exchange,
            "routing_key": routing_key,
            "sealed": self.seals,
        }
