"""TLS to a database server: who is believed, and that there is no way past it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dffmpeg.store import StoreSettings, StoreUnavailable, open_store
from tests.servers.account import Account
from tests.servers.certificates import certificate
from tests.servers.mariadb import open_mariadb
from tests.servers.postgresql import open_postgresql

PLAIN = (
    "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'dffmpeg' AND NOT ssl"
)
"""How many connections of ours are not encrypted, in PostgreSQL."""


@dataclass
class Secured:
    """A server that has a certificate for its address, from the authority `ca.pem`."""

    engine: str
    server: Any
    folder: Path

    def settings(self, **tls: str) -> StoreSettings:
        server = self.server
        options = {
            "host": server.host,
            "port": server.port,
            "database": server.database,
            "user": server.user,
            "password": server.password,
            "patience": 0.5,
            **{name: str(self.folder / text) if "." in text else text for name, text in tls.items()},
        }
        engines = dict.fromkeys(("auth", "jobs", "workers", "messages", "streams"), self.engine)
        return StoreSettings(engine_defaults={self.engine: options}, engines=engines)


def _certificates(folder: Path, account: Account) -> None:
    certificate(folder, "server", certificate(folder, "ca", None))
    certificate(folder, "stranger", None)
    for name in ("server.pem", "server.key"):
        (folder / name).chmod(0o600)
        account.own(folder / name)


@asynccontextmanager
async def _postgresql() -> AsyncIterator[Secured]:
    account = Account("postgres")
    with account.folder("tls") as folder:
        _certificates(folder, account)
        files = {"ssl_cert_file": f"{folder}/server.pem", "ssl_key_file": f"{folder}/server.key"}
        async with open_postgresql({"ssl": "on", **files}) as server:
            yield Secured("postgresql", server, folder)


@asynccontextmanager
async def _mariadb() -> AsyncIterator[Secured]:
    account = Account("mysql")
    with account.folder("tls") as folder:
        _certificates(folder, account)
        options = {"ssl-cert": f"{folder}/server.pem", "ssl-key": f"{folder}/server.key"}
        async with open_mariadb(options) as server:
            # It refuses this user whatever is not encrypted.
            await server.run(f"ALTER USER {server.user}@'%' REQUIRE SSL")
            yield Secured("mysql", server, folder)


@pytest.mark.parametrize(
    "opened",
    [
        pytest.param(_postgresql, marks=pytest.mark.servers("postgresql"), id="postgresql"),
        pytest.param(_mariadb, marks=pytest.mark.servers("mariadb"), id="mysql"),
    ],
)
async def test_who_is_believed(opened: Callable[[], Any]) -> None:
    async with opened() as secured:
        for tls in ({"tls": "require"}, {"tls": "verify", "ca": "ca.pem"}):
            async with open_store(secured.settings(**tls)) as store:
                await store.settings.pause()
                if secured.engine == "postgresql":
                    assert await secured.server.run(PLAIN) == [(0,)]
        with pytest.raises(StoreUnavailable, match=r"(?i)certificate"):
            async with open_store(secured.settings(tls="verify", ca="stranger.pem")):
                raise AssertionError("it must not open")
        if secured.engine == "mysql":
            with pytest.raises(StoreUnavailable):
                async with open_store(secured.settings(tls="off")):
                    raise AssertionError("it must not open")
