"""The configurations of a cluster's processes, with keys of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.common import Section
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.configuration.writing import render, write_file
from dffmpeg.model.identities import Identity, Role
from dffmpeg.store import open_store
from dffmpeg.wire.signature import decode_key, encode_key, generate_key
from tests.chaos import recorder
from tests.chaos.databases import Database
from tests.chaos.downlinks import COORDINATOR, Downlink
from tests.servers.ports import LOOPBACK, free_port

LEASE = 20.0
"""Seconds after which a silent worker is lost: longer than it takes to start a coordinator again."""

PATIENCE = 120.0
"""Seconds for which a caller tries to be answered; longer than any outage here."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start. `folder` must exist, and be nobody else's."""

    folder: Path
    database: str = "sqlite"
    downlink: str = "websocket"
    coordinators: int = 1
    workers: int = 4
    slots: int = 4

    @property
    def worker_names(self) -> list[str]:
        """Of all of them."""
        return [f"worker{number + 1}" for number in range(self.workers)]


class Configurations:
    """Writes them into the plan's folder.

    Attributes:
        entry: the port where callers and workers come in.
        ports: those of the coordinators.
        media: the mapped folder.
    """

    def __init__(self, plan: Plan, database: Database, downlink: Downlink) -> None:
        self._plan = plan
        self._database = database
        self._downlink = downlink
        self.entry = free_port()
        self.ports = [free_port() for _ in range(plan.coordinators)]
        self.workers = plan.worker_names
        self.media = plan.folder / "media"
        self.media.mkdir()
        self._keys = {name: encode_key(generate_key()) for name in ("caller", "admin", *self.workers)}
        self._secret = encode_key(generate_key())
        self._recorder = self._write_recorder()

    def client(self, name: str, port: int | None = None) -> ClientConfig:
        """That of `caller` or `admin`.

        Args:
            port: where it calls; None is where everybody comes in.
        """
        return ClientConfig(
            **self._connection(name, self.entry if port is None else port),
            paths={"Media": str(self.media)},
            unmapped_paths="ignore",
            connect_timeout=PATIENCE,
        )

    def coordinator(self, number: int, *, peers: int, database: Sequence[int], broker: Sequence[int]) -> Path:
        """The file of one.

        Args:
            peers: the port where the others reach it.
            database, broker: the ports where it reaches those.
        """
        transports = {
            "enabled_transports": list(self._downlink.names),
            "transport_settings": self._downlink.settings(COORDINATOR, broker),
        }
        values = {
            "host": LOOPBACK,
            "port": self.ports[number],
            "allowed_binaries": ["ffmpeg", "ffprobe", "recorder"],
            "database": self._database.settings(database),
            "transports": transports,
            "leases": {"worker": LEASE, "worker_disconnect": LEASE / 2},
            "janitor": {"interval": 2.0},
            "security": {"trusted_proxies": ["127.0.0.0/8"]},
            "cluster": self._cluster(peers),
        }
        return self._write(f"coordinator{number + 1}", CoordinatorConfig, values)

    def worker(self, name: str, entry: int, broker: Sequence[int]) -> Path:
        """The file of one, which comes in through these ports."""
        values = {
            **self._connection(name, entry),
            "slots": self._plan.slots,
            # Its programs keep a ledger, outside of what jobs name.
            "sandbox": "off",
            "binaries": {"ffmpeg": self._recorder, "recorder": self._recorder},
            "paths": {"Media": str(self.media)},
            "transports": list(self._downlink.names),
            "transport_settings": self._downlink.settings(name, broker),
            "registration_interval": 2.0,
            "benchmark": False,
            "cache": str(self._plan.folder / "cache"),
        }
        return self._write(name, WorkerConfig, values)

    async def add_identities(self) -> None:
        """Everybody gets a row, before anything runs."""
        file = self.coordinator(
            0, peers=self.ports[0], database=self._database.ports, broker=self._downlink.ports
        )
        config = load(CoordinatorConfig, "coordinator", file)
        roles = {"caller": Role.CLIENT, "admin": Role.ADMIN}
        async with open_store(store_settings(config)) as store:
            for name, key in self._keys.items():
                identity = Identity(client_id=name, role=roles.get(name, Role.WORKER), key=decode_key(key))
                await store.identities.add(identity)

    def _cluster(self, port: int) -> dict[str, Any]:
        if len(self.ports) == 1:
            return {}
        return {"advertise": f"http://{LOOPBACK}:{port}", "secret": self._secret}

    def _connection(self, name: str, port: int) -> dict[str, Any]:
        url = f"http://{LOOPBACK}:{port}"
        return {"coordinator_url": url, "client_id": name, "hmac_key": self._keys[name]}

    def _write(self, name: str, kind: type[Section], values: dict[str, Any]) -> Path:
        file = self._plan.folder / f"{name}.toml"
        write_file(file, render(kind, values), overwrite=True)
        return file

    def _write_recorder(self) -> str:
        file = self._plan.folder / "recorder"
        source = Path(recorder.__file__).read_text("utf-8")
        # It starts once for each job: without what an interpreter looks for elsewhere.
        file.write_text(f"#!{sys.executable} -ISE\n{source}")
        file.chmod(0o755)
        return str(file)
