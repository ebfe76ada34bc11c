"""HAProxy before the coordinators, as `config/haproxy.cfg` has it, on the ports of a test."""

from __future__ import annotations

from collections.abc import Sequence

from tests.servers.ports import LOOPBACK

_HEAD = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    option redispatch
    retries 2
frontend entry
    bind {host}:{port}
    default_backend coordinators
backend coordinators
    balance leastconn
    option forwardfor
    option httpchk GET /health
    default-server check inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
"""


def configuration(port: int, coordinators: Sequence[int]) -> str:
    """The text: it listens on `port`, the coordinators on the others."""
    lines = [
        f"    server coordinator{number + 1} {LOOPBACK}:{one}" for number, one in enumerate(coordinators)
    ]
    return _HEAD.format(host=LOOPBACK, port=port) + "\n".join(lines) + "\n"
