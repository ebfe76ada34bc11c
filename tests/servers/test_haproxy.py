"""HAProxy with a configuration given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.haproxy import check, open_haproxy
from tests.servers.ports import LOOPBACK, free_port, listens
from tests.servers.process import ServerFailed

PROXY = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen through
    bind {host}:{port}
    server only {host}:{target}
"""


@pytest.mark.servers("haproxy")
async def test_it_returns_on_its_port() -> None:
    port = free_port()
    async with open_haproxy(PROXY.format(host=LOOPBACK, port=port, target=free_port()), [port]) as proxy:
        assert await listens(port)
        await proxy.kill()
        assert not await listens(port)
        await proxy.start()


@pytest.mark.servers("haproxy")
async def test_a_wrong_configuration_is_named(tmp_path: Path) -> None:
    wrong = PROXY.replace("maxconn 100", "maxcon 100")
    (tmp_path / "right").write_text(PROXY.format(host=LOOPBACK, port=1, target=2))
    (tmp_path / "wrong").write_text(wrong.format(host=LOOPBACK, port=1, target=2))
    assert await check(tmp_path / "right") == ""
    assert "unknown keyword 'maxcon'" in await check(tmp_path / "wrong")
    port = free_port()
    with pytest.raises(ServerFailed, match="unknown keyword 'maxcon'"):
        async with open_haproxy(wrong.format(host=LOOPBACK, port=port, target=2), [port]):
            pass
