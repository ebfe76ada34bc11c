"""What a configuration says of a database server: `[database.engine_defaults.<engine>]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dffmpeg.configuration.checks.values import did_you_mean
from dffmpeg.errors import ConfigurationError

TLS = ("off", "prefer", "require", "verify")
MAX_SECONDS = 86_400.0
MAX_POOL = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where a server is, who we are there, and how long it is waited for.

    Attributes:
        engine: `postgresql` or `mysql`.
        hosts: names or addresses with their ports, in the order in which they are tried; none with a
            `socket`.
        socket: a path, in place of hosts: the socket itself, or for PostgreSQL its directory.
        pool_size: connections that read at once; one more writes.
        connect_timeout: seconds for each host to take a connection.
        timeout: seconds for one statement, after which the connection counts as lost.
        patience: seconds for which a server that went away is waited for before callers are told.
        tls: `off`, `prefer` (where the server has it), `require`, or `verify` (and its name, by `ca` or the
            system's authorities).
        ca, cert, key: files: whom we believe, and who we are.
    """

    engine: str
    hosts: tuple[tuple[str, int], ...]
    socket: str | None
    database: str
    user: str
    password: str | None = field(default=None, repr=False)
    pool_size: int = 4
    connect_timeout: float = 5.0
    timeout: float = 30.0
    patience: float = 15.0
    tls: str = "prefer"
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def name(self) -> str:
        """For people: where it is, and nothing secret."""
        place = self.socket or ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts
        )
        return f"{self.engine}://{place}/{self.database}"


def server_settings(engine: str, port: int, options: Mapping[str, Any]) -> ServerSettings:
    """Check what a configuration says.

    Args:
        port: the engine's own, for hosts without one.
        options: the section, in which paths are absolute.

    Raises:
        ConfigurationError: a key is unknown, or its value no such thing.
    """
    section = _Section(f"database.engine_defaults.{engine}", options)
    unknown = sorted(set(options) - KEYS)
    if unknown:
        raise section.wrong(unknown[0], f"unknown key{did_you_mean(unknown[0], sorted(KEYS))}")
    socket = section.text("socket")
    if socket is not None and ("host" in options or "port" in options):
        raise section.wrong("socket", "expected either this, or host and port")
    tls = section.text("tls") or "prefer"
    if tls not in TLS:
        raise section.wrong("tls", f"expected one of {', '.join(TLS)}, got {tls!r}")
    files = {name: section.text(name) for name in ("ca", "cert", "key")}
    if (files["cert"] is None) != (files["key"] is None):
        raise section.wrong("cert", "cert and key belong together")
    return ServerSettings(
        engine=engine,
        hosts=() if socket else section.hosts(section.number("port", port, 1, 65_535)),
        socket=socket,
        database=section.text("database") or "dffmpeg",
        user=section.text("user") or "dffmpeg",
        password=section.password(),
        pool_size=section.number("pool_size", 4, 1, MAX_POOL),
        connect_timeout=section.seconds("connect_timeout", 5.0),
        timeout=section.seconds("timeout", 30.0),
        patience=section.seconds("patience", 15.0),
        tls=tls,
        **files,
    )


KEYS = frozenset(
    {
        "host",
        "port",
        "socket",
        "database",
        "user",
        "password",
        "password_file",
        "pool_size",
        "connect_timeout",
        "timeout",
        "patience",
        "tls",
        "ca",
        "cert",
        "key",
    }
)
"""What may be set."""


class _Section:
    def __init__(self, place: str, options: Mapping[str, Any]) -> None:
        self._place = place
        self._options = options

    def wrong(self, key: str, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self._place}.{key}: {what}")

    def text(self, key: str) -> str | None:
        def fits(value: object) -> bool:
            return isinstance(value, str) and bool(value) and "\0" not in value

        found: str | None = self._checked(key, None, fits, "a text")
        return found

    def number(self, key: str, default: int, least: int, most: int) -> int:
        def fits(value: object) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

        found: int = self._checked(key, default, fits, f"a number from {least} to {most}")
        return found

    def seconds(self, key: str, default: float) -> float:
        def fits(value: object) -> bool:
            return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_SECONDS

        return float(self._checked(key, default, fits, "seconds"))

    def hosts(self, port: int) -> tuple[tuple[str, int], ...]:
        value = self._options.get("host", "127.0.0.1")
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(name, str) and name for name in names):
            raise self.wrong(
                "host", "expected a host, or a list of them, each with a `:port` of its own or not"
            )
        return tuple(self._host(name, port) for name in names)

    def _host(self, text: str, port: int) -> tuple[str, int]:
        if text.startswith("["):
            host, closed, rest = text[1:].partition("]")
            given = rest.removeprefix(":") if closed and (not rest or rest.startswith(":")) else "?"
        elif text.count(":") == 1:
            host, _, given = text.partition(":")
        else:
            host, given = text, ""
        if not host or (given and not (given.isdecimal() and 0 < int(given) <= 65_535)):
            raise self.wrong("host", f"expected `host`, `host:port` or `[address]:port`, got {text!r}")
        return host, int(given) if given else port

    def password(self) -> str | None:
        password, file = self.text("password"), self.text("password_file")
        if file is None:
            return password
        if password is not None:
            raise self.wrong("password_file", "expected either this, or password")
        try:
            lines = Path(file).read_text("utf-8").splitlines()
        except OSError as error:
            raise self.wrong("password_file", f"{file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise self.wrong("password_file", f"{file}: not UTF-8") from None
        if not lines or not lines[0]:
            raise self.wrong("password_file", f"{file}: its first line is empty")
        return lines[0]

    def _checked(self, key: str, default: Any, fits: Callable[[object], bool], expected: str) -> Any:
        if key not in self._options:
            return default
        if not fits(self._options[key]):
            # Its value is not shown: it may be a password.
            raise self.wrong(key, f"expected {expected}")
        return self._options[key]
