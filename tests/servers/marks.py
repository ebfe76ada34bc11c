"""A test of a server that this machine has not is left out, or fails where servers are required."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.servers.requirements import Missing, galera_library, program
from tests.services import require

_CHECKS: dict[str, Callable[[], object]] = {
    "galera": galera_library,
    "haproxy": lambda: program("haproxy", "haproxy"),
    "mariadb": lambda: program("mariadbd", "mariadb-server"),
    "mosquitto": lambda: program("mosquitto", "mosquitto"),
    "postgresql": lambda: program("psql", "postgresql"),
    "rabbitmq": lambda: program("rabbitmqctl", "rabbitmq-server"),
    "rsync": lambda: program("rsync", "rsync"),
}


@pytest.fixture(autouse=True)
def servers_are_there(request: pytest.FixtureRequest) -> None:
    """What the mark `servers` names must be there."""
    for mark in request.node.iter_markers("servers"):
        for name in mark.args:
            try:
                _CHECKS[name]()
            except Missing as missing:
                require(name, str(missing))
