"""A standalone cluster's files: made on the first start, kept on the next, changed where a flag says so."""

from __future__ import annotations

import os
import socket
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dffmpeg.client import stand_ins
from dffmpeg.configuration import parse
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.common import Connection, Section
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.configuration.writing import render, write_file
from dffmpeg.errors import ConfigurationError
from dffmpeg.standalone.layout import Layout
from dffmpeg.standalone.options import Options, default_mappings
from dffmpeg.standalone.programs import find_programs
from dffmpeg.wire.signature import encode_key, generate_key

LOOPBACK = "127.0.0.1"
DEFAULT_WORKERS = 1

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to run, as it was written."""

    layout: Layout
    coordinator: CoordinatorConfig
    client: ClientConfig
    admin: ClientConfig
    workers: dict[str, WorkerConfig]
    warnings: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.coordinator.port}"

    @property
    def identities(self) -> list[tuple[str, Connection]]:
        """Role and connection of everybody that the coordinator must know."""
        workers = [("worker", worker) for worker in self.workers.values()]
        return [("client", self.client), ("admin", self.admin), *workers]


def prepare(layout: Layout, options: Options) -> Plan:
    """Write the cluster's files.

    A value stands in its file from the start before; a flag changes it, and so
    does a person who edits the file.

    Raises:
        ConfigurationError: a file of the start before is broken, or there is no port or no program.
    """
    previous = _values(layout.coordinator)
    port = options.port or previous.get("port") or free_port()
    check_port(port)
    url = f"http://{LOOPBACK}:{port}"
    binaries = _binaries(options, _values(layout.worker("worker1")))
    coordinator = _coordinator(layout, previous, port, binaries)
    client = _client(layout.client, url, "local", options)
    admin = _client(layout.admin, url, "admin", None)
    count = options.workers or layout.known_workers() or DEFAULT_WORKERS
    workers = {
        name: _worker(layout.worker(name), url, name, options, binaries)
        for name in (f"worker{number}" for number in range(1, count + 1))
    }
    stand_ins.compile_shim()
    for name in sorted({*binaries, "ffmpeg", "ffprobe"}):
        stand_ins.write_one(layout.programs / name, layout.client)
    missing = [name for name in ("ffmpeg", "ffprobe") if name not in binaries]
    warnings = tuple(f"there is no {name} here: jobs for it will wait" for name in missing)
    return Plan(layout, coordinator, client, admin, workers, warnings)


def free_port() -> int:
    """A port of the loopback address that nobody has right now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def check_port(port: int) -> None:
    """Raises ConfigurationError where somebody else listens."""
    with socket.socket() as probe:
        # A connection of the cluster before may still be in TIME_WAIT; that does not matter to a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ConfigurationError(f"port {port}: {error.strerror}; --port chooses another") from None


def _values(file: Path) -> Values:
    """What a file sets, without defaults; nothing if there is no file."""
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file}: {error}") from None


def _written(kind: type[Section], file: Path, values: Values) -> Any:
    text = render(kind, values)
    # Checked before it is written: a mistake in an edited file stays there to be mended.
    config = parse(kind, text.encode(), file)
    write_file(file, text, overwrite=True)
    return config


def _coordinator(layout: Layout, previous: Values, port: int, binaries: dict[str, str]) -> CoordinatorConfig:
    allowed = sorted({"ffmpeg", "ffprobe", *binaries, *previous.get("allowed_binaries", ())})
    values = {**previous, "host": LOOPBACK, "port": port, "allowed_binaries": allowed}
    config: CoordinatorConfig = _written(CoordinatorConfig, layout.coordinator, values)
    return config


def _client(file: Path, url: str, name: str, options: Options | None) -> ClientConfig:
    previous = _values(file)
    values = _connection(previous, url, name)
    if options is not None and (options.paths is not None or "paths" not in previous):
        values["paths"] = _mapped(options, "client")
    if options is not None and options.paths is None and "paths" not in previous:
        # Workers are on the same machine: a path that nobody mapped is right there.
        values.setdefault("unmapped_paths", "ignore")
    config: ClientConfig = _written(ClientConfig, file, values)
    return config


def _worker(file: Path, url: str, name: str, options: Options, binaries: dict[str, str]) -> WorkerConfig:
    previous = _values(file)
    values = {**_connection(previous, url, name), "binaries": binaries}
    if options.slots is not None:
        values["slots"] = options.slots
    # Who can ask for jobs here can run the same programs himself, so they get the network; and where nobody
    # says what is mapped, any path of this machine's may be named.
    values.setdefault("sandbox", "off" if options.paths is None else {"mode": "auto", "network": "allow"})
    if os.geteuid() == 0:
        # Its only clients are on this machine, where the kernel vouches for who they are.
        values.setdefault("run_as", "caller")
    if options.paths is not None or "paths" not in previous:
        values["paths"] = _mapped(options, "worker")
    config: WorkerConfig = _written(WorkerConfig, file, values)
    return config


def _connection(previous: Values, url: str, name: str) -> Values:
    key = previous.get("hmac_key") or encode_key(generate_key())
    return {**previous, "coordinator_url": url, "client_id": name, "hmac_key": key}


def _mapped(options: Options, side: str) -> dict[str, str]:
    mappings = default_mappings() if options.paths is None else options.paths
    return {mapping.name: getattr(mapping, side) for mapping in mappings}


def _binaries(options: Options, previous: Values) -> dict[str, str]:
    kept: dict[str, str] = previous.get("binaries", {})
    binaries = {**find_programs(), **kept, **dict(options.binaries or ())}
    if not binaries:
        raise ConfigurationError(
            "no ffmpeg found on the PATH; name one with --binary ffmpeg=/path/to/ffmpeg, "
            "or install it with: pip install 'dffmpeg[ffmpeg]'"
        )
    return binaries
