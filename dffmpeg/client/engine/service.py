"""What every call of one configuration shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dffmpeg.client.engine.connections import Connections, Single
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.model import paths
from dffmpeg.transports.address import SignedAddress
from dffmpeg.wire import signature

if TYPE_CHECKING:
    from dffmpeg.transports.signed_http import SignedHttp


class Service:
    """A coordinator as one configuration reaches it; owns the HTTP connections until `aclose`.

    Args:
        config: the configuration.

    Attributes:
        connections: where a job's WebSocket comes from; an agent puts its pool here.

    Raises:
        ConfigurationError: the key or a mapped directory cannot be used.
    """

    def __init__(self, config: ClientConfig) -> None:
        self.config = config
        try:
            self.directories = paths.validated(config.paths)
            self._key = signature.decode_key(config.hmac_key)
        except paths.PathError as error:
            raise ConfigurationError(str(error)) from None
        except ValueError as error:
            raise ConfigurationError(f"hmac_key: {error}") from None
        self.address = SignedAddress(config.coordinator_url, config.client_id, self._key, config.tls)
        self.connections: Connections = Single(self.address)
        self._http: SignedHttp | None = None

    def http(self) -> SignedHttp:
        """Plain requests. Most calls need none, and the library takes long to load."""
        if self._http is None:
            from dffmpeg.transports.signed_http import SignedHttp

            config = self.config
            self._http = SignedHttp(config.coordinator_url, config.client_id, self._key, config.tls)
        return self._http

    async def aclose(self) -> None:
        """Close the HTTP connections."""
        if self._http is not None:
            await self._http.__aexit__(None, None, None)
