"""A real coordinator, its tree and its database, behind a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.identities import Identity
from dffmpeg.store import StoreSettings
from dffmpeg.supervisors import ChildSpec, Supervisor, open_tree
from dffmpeg.web import WebServer, create_app
from dffmpeg.web.authentication import People
from tests.actors.coordinator.tree import Coordinator, open_coordinator
from tests.web.conftest import EVERYWHERE, KEYS


@dataclass
class Live:
    """A running coordinator and its server."""

    coordinator: Coordinator
    server: WebServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


def identity(name: str) -> Identity:
    role, key = KEYS[name]
    return Identity(client_id=name, role=role, key=key, allowed_networks=EVERYWHERE)


@asynccontextmanager
async def live(place: Path | StoreSettings, config: dict[str, Any] | None = None) -> AsyncIterator[Live]:
    """Start one with the identities of `KEYS`; stop it at the block's end.

    Args:
        place: the folder of its database, or a database.
    """
    settings = msgspec.convert({"host": "127.0.0.1", "port": 0, **(config or {})}, CoordinatorConfig)
    async with open_coordinator(place, settings) as coordinator:
        identities = coordinator.services.store.identities
        for name in KEYS:
            if await identities.get(name) is None:
                await identities.add(identity(name))
        store = coordinator.services.store
        app = create_app(
            coordinator.operations,
            identities,
            settings,
            tree=coordinator.handle.tree,
            crash=coordinator.handle.crash_child,
            claims=store.nonces,
            people=People(store.sessions, store.tokens),
        )
        server = WebServer(app, settings)
        async with open_tree(Supervisor([ChildSpec("web", start=lambda: server)]), name="server"):
            yield Live(coordinator, server)
