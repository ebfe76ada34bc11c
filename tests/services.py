"""The servers that tests use: where they are, and what becomes of a test where one is missing.

Each has an address of the form of a URL, `DFFMPEG_TEST_<NAME>_URL`, and without it the one that
a fresh installation on this machine listens on.
"""

from __future__ import annotations

import os
import socket
from urllib.parse import SplitResult, urlsplit

import pytest

DEFAULTS = {
    "postgresql": "postgresql://root@127.0.0.1:5432/test",
    "mysql": "mysql://root@127.0.0.1:3306/test",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672/",
    "mqtt": "mqtt://127.0.0.1:1883",
}
PATIENCE_S = 5.0
"""For a server on this machine to take a connection."""


def require(name: str, reason: str | None) -> None:
    """Go on only if nothing is missing: with a reason the test is skipped, or fails where
    `DFFMPEG_TEST_REQUIRE_SERVICES` is `1`.

    Args:
        name: of the service, or of the program.
        reason: why it cannot be used; None if it can.
    """
    if reason is None:
        return
    if os.environ.get("DFFMPEG_TEST_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{name} is required: {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}")


def address(name: str) -> SplitResult:
    """Where a server should be."""
    return urlsplit(os.environ.get(f"DFFMPEG_TEST_{name.upper()}_URL", DEFAULTS[name]))


def listening(name: str) -> SplitResult:
    """Where a server is, which has taken a connection just now; else as `require`."""
    found = address(name)
    assert found.hostname is not None
    assert found.port is not None
    try:
        socket.create_connection((found.hostname, found.port), PATIENCE_S).close()
    except OSError as error:
        require(name, f"nothing listens on {found.hostname}:{found.port}: {error.strerror or error}")
    return found
