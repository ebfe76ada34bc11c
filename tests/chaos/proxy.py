"""HAProxy before the coordinators: the example, on the ports of a test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.servers.ports import LOOPBACK

EXAMPLE = Path(__file__).parents[2] / "config" / "haproxy.cfg"

_SERVER = re.compile(r"(?m)^( *)server .*\n")
_BIND = re.compile(r"(?m)^( *)bind .*:8000$")


def configuration(port: int, coordinators: Sequence[int]) -> str:
    """The text: it listens on `port`, the coordinators on the others."""
    text = EXAMPLE.read_text("utf-8")
    servers = "".join(
        f"    server coordinator{number + 1} {LOOPBACK}:{one}\n" for number, one in enumerate(coordinators)
    )
    text, bound = _BIND.subn(rf"\1bind {LOOPBACK}:{port}", text)
    assert bound == 1
    # The servers are the last lines.
    return _SERVER.sub("", text).rstrip("\n") + "\n" + servers
