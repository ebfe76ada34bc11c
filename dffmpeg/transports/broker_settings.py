"""What the settings of every broker share: where it is, as whom, and how the connection is secured."""

from __future__ import annotations

import random
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from msgspec import Meta

from dffmpeg.configuration.common import Section
from dffmpeg.errors import ConfigurationError
from dffmpeg.transports.settings import parsed

BrokerPort = Annotated[int, Meta(ge=1, le=65_535)]


class BrokerSettings(Section, frozen=True):
    """How a broker is reached; see docs/configuration.md."""

    host: str | None = None
    """None, without `hosts` either: localhost."""
    hosts: list[str] = []
    """Several, each as `name` or `name:port`, in place of `host`."""
    port: BrokerPort | None = None
    username: str | None = None
    password: str | None = None
    password_file: str | None = None
    use_tls: bool = False
    verify_ssl: bool = True
    ca_file: str | None = None
    """Who signed the server's certificate; None: one that the system trusts."""
    cert_file: str | None = None
    """Our own certificate, where the broker asks for one."""
    key_file: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(host={self.host!r}, hosts={self.hosts!r}, port={self.port!r})"

    def addresses(self, plain: int, secure: int) -> list[tuple[str, int]]:
        """Host and port of each server, in an order left to chance, so that clients spread over a cluster.

        Args:
            plain: the port where none is said; `secure`: with TLS.

        Raises:
            ValueError: one of them is no address.
        """
        default = self.port or (secure if self.use_tls else plain)
        found = [_address(text, default) for text in self.hosts or [self._host]]
        random.shuffle(found)
        return found

    @property
    def _host(self) -> str:
        return "localhost" if self.host is None else self.host

    def secret(self) -> str | None:
        """The password, from its file where it stands in one.

        Raises:
            OSError: the file cannot be read.
        """
        if self.password_file is None:
            return self.password
        return Path(self.password_file).read_text().strip()

    def tls(self) -> ssl.SSLContext | None:
        """What secures the connection; None where nothing does.

        Raises:
            OSError: a file cannot be read, or does not fit.
        """
        if not self.use_tls:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


S = TypeVar("S", bound=BrokerSettings)


def broker_settings(kind: type[S], key: str, settings: Mapping[str, Any]) -> S:
    """Check a broker's settings, and see early to what can be seen early: files and addresses.

    Args:
        key: where the configuration has them, for errors.

    Raises:
        ConfigurationError: something does not fit, or cannot be used; names the key, and its file if any.
    """
    found = parsed(kind, key, settings)
    _check(key, found)
    return found


def _check(key: str, settings: BrokerSettings) -> None:
    if settings.host is not None and settings.hosts:
        raise ConfigurationError(f"{key}: expected host or hosts, not both")
    if settings.key_file is not None and settings.cert_file is None:
        raise ConfigurationError(f"{key}.cert_file: missing, key_file is its key")
    if settings.password is not None and settings.password_file is not None:
        raise ConfigurationError(f"{key}: expected password or password_file, not both")
    try:
        settings.addresses(1, 1)
    except ValueError as error:
        raise ConfigurationError(f"{key}.{'hosts' if settings.hosts else 'host'}: {error}") from None
    _check_readable(key, settings, ("password_file",))
    try:
        settings.secret()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{key}.password_file: {settings.password_file}: not UTF-8") from None
    if settings.use_tls:
        _check_tls(key, settings)


def _check_tls(key: str, settings: BrokerSettings) -> None:
    _check_readable(key, settings, ("ca_file", "cert_file", "key_file"))
    try:
        ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError:
        raise ConfigurationError(f"{key}.ca_file: {settings.ca_file}: expected certificates (PEM)") from None
    try:
        settings.tls()
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{key}.cert_file: {settings.cert_file}: expected a certificate (PEM), and its key there"
            f" or as key_file: {error.reason or error}"
        ) from None


def _check_readable(key: str, settings: BrokerSettings, names: Sequence[str]) -> None:
    for name in names:
        file: str | None = getattr(settings, name)
        if file is None:
            continue
        try:
            Path(file).open("rb").close()
        except OSError as error:
            raise ConfigurationError(f"{key}.{name}: {file}: {error.strerror or error}") from None


def _address(text: str, default: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        # Without a port; an IPv6 address has colons of its own.
        host, port = text, str(default)
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"expected a broker's address such as broker.example:{default}, got {text!r}")
    return host, int(port)
