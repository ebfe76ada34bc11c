"""A coordinator's address, and who signs the requests that go there. Knows no HTTP library."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from dffmpeg.wire import signature


class SignedAddress:
    """Where a coordinator is, and as whom we speak to it.

    Args:
        url: its base URL, with a reverse proxy's prefix if there is one.
        client_id: the identity's name.
        key: its 32-byte secret.
    """

    def __init__(self, url: str, client_id: str, key: bytes) -> None:
        self.url = url.rstrip("/")
        self.client_id = client_id
        self._key = key

    def headers(self, method: str, path: str, body: bytes = b"") -> dict[str, str]:
        """The signature headers for a request to `path` (no query, no prefix)."""
        return signature.sign(self.client_id, self._key, method, path, body, now=time.time())

    def websocket_url(self, path: str) -> str:
        """The ws:// or wss:// address of a path."""
        parts = urlsplit(self.url)
        return parts._replace(
            scheme="wss" if parts.scheme == "https" else "ws", path=parts.path + path
        ).geturl()
