"""The coordinator's certificate: read when it starts, and again once its files have changed.

So whoever renews it need not restart anything: connections from then on are made with the new one, and those
that are open stay as they are.
"""

from __future__ import annotations

import logging
import os
import ssl

import trio

from dffmpeg.configuration.coordinator import Tls
from dffmpeg.errors import ConfigurationError
from dffmpeg.transports import trust

logger = logging.getLogger("dffmpeg.web.certificates")

INTERVAL = 1.0
"""Seconds between two looks at the files, at least."""

_Stamp = tuple[tuple[int, int, int] | None, ...]


class Certificates:
    """What connections are secured with.

    Args:
        config: with a `certfile`.

    Raises:
        ConfigurationError: a file cannot be used; names its key.
    """

    def __init__(self, config: Tls) -> None:
        self._config = config
        self._stamp = self._look()
        self._context = server_context(config)
        self._looked_at = trio.current_time()

    def context(self) -> ssl.SSLContext:
        """As the files are by now. One that cannot be used is told once, and changes nothing."""
        now = trio.current_time()
        if now - self._looked_at >= INTERVAL:
            self._looked_at = now
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            self._context = server_context(self._config)
        except ConfigurationError as error:
            logger.warning("%s; the certificate from before stays", error)
        else:
            logger.info("the certificate was read anew")

    def _look(self) -> _Stamp:
        files = (self._config.certfile, self._config.keyfile, self._config.client_cafile)
        return tuple(_stamp(file) for file in files if file is not None)


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def server_context(config: Tls) -> ssl.SSLContext:
    """What a coordinator secures connections with: TLS 1.2 or newer, HTTP/1.1.

    Raises:
        ConfigurationError: a file cannot be used; names its key.
    """
    assert config.certfile is not None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    # What a client sends before it has proved to be there costs a key exchange each time.
    context.options |= ssl.OP_NO_RENEGOTIATION
    trust.show(context, config.certfile, config.keyfile)
    if config.client_cafile is not None:
        with trust.reading("tls.client_cafile", config.client_cafile):
            context.load_verify_locations(config.client_cafile)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
