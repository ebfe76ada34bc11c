"""A coordinator's address, and who signs the requests that go there. Knows no HTTP library."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from dffmpeg.configuration.common import SYSTEM, Trust
from dffmpeg.wire import seals, signature
from dffmpeg.wire.workers import DownlinkMessage

if TYPE_CHECKING:
    import ssl

_KEPT = "/%:@!$&'()*+,;=-._~"
"""What a path may hold as it is; no library on the way changes that."""


def target_of(path: str, query: Mapping[str, str] | None = None) -> str:
    """Path and query as they travel, and as they are signed."""
    text = quote(path, safe=_KEPT)
    return f"{text}?{urlencode(query)}" if query else text


class SignedAddress:
    """Where a coordinator is, and as whom we speak to it.

    Args:
        url: its base URL, with a reverse proxy's prefix if there is one.
        client_id: the identity's name.
        key: its 32-byte secret.
        trust: whose certificate it must have, where the URL is one of https.
    """

    def __init__(self, url: str, client_id: str, key: bytes, trust: Trust = SYSTEM) -> None:
        self.url = url.rstrip("/")
        self.client_id = client_id
        self._key = key
        self._trust = trust
        self._context: ssl.SSLContext | None = None

    def tls(self) -> ssl.SSLContext | None:
        """What connections are secured with; None without TLS. Made once, because that takes long.

        Raises:
            ConfigurationError: a file of `trust` cannot be used.
        """
        if self._context is None and not self.url.startswith("http://"):
            from dffmpeg.transports.trust import client_context

            self._context = client_context(self._trust)
        return self._context

    def headers(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        """The headers that sign one request to `target`: path and query, without the base URL's prefix."""
        return signature.sign(self.client_id, self._key, method, target, body, now=time.time())

    def is_for_us(self, message: DownlinkMessage) -> bool:
        """Whether the coordinator has sealed a message for whom we speak."""
        return seals.is_sealed(message, (self._key,))

    def websocket_url(self, target: str) -> str:
        """The ws:// or wss:// address of a path and its query."""
        parts = urlsplit(self.url)
        path, _, query = target.partition("?")
        return parts._replace(
            scheme="wss" if parts.scheme == "https" else "ws", path=parts.path + path, query=query
        ).geturl()


def resource_of(url: str) -> str:
    """Path and query of a URL: what a request line asks for."""
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
