"""A reverse proxy that has a coordinator below a path of its own."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.cluster.kit import GUARD
from tests.servers.haproxy import PACKAGE
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.requirements import program

PREFIX = "/media/dffmpeg"

_CONFIGURATION = """
global
    maxconn 200
defaults
    mode http
    timeout connect 5s
    timeout client 120s
    timeout server 120s
    timeout tunnel 1h
    option forwardfor
listen prefix
    bind {host}:{port}
    acl ours path_beg {prefix}/
    http-request deny deny_status 404 unless ours
    http-request set-header X-Forwarded-Prefix {prefix}
    http-request replace-path {prefix}/(.*) /\\1
    server coordinator {target}
"""


@contextmanager
def proxied(url: str, folder: Path) -> Iterator[str]:
    """HAProxy around a block; the coordinator's URL through it.

    Args:
        url: the coordinator's own.
        folder: for the proxy's configuration.

    Raises:
        Missing: this machine has no HAProxy.
    """
    port = free_port()
    file = folder / "haproxy.cfg"
    file.write_text(
        _CONFIGURATION.format(host=LOOPBACK, port=port, prefix=PREFIX, target=urlsplit(url).netloc)
    )
    # It dies with us, however we do.
    command = ["setpriv", "--pdeathsig", "KILL", program("haproxy", PACKAGE), "-db", "-f", str(file)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            found = f"http://{LOOPBACK}:{port}{PREFIX}"
            _wait(f"{found}/health", process)
            yield found
        finally:
            process.kill()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + GUARD
    while True:
        assert process.poll() is None, "HAProxy ended"
        assert time.monotonic() < give_up
        try:
            with urllib.request.urlopen(url, timeout=GUARD):
                return
        except urllib.error.URLError:
            time.sleep(0.02)
