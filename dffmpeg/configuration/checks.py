"""What a value must be beyond its type, and relative file names made absolute.

Each check raises ValueError with "key: what was expected"; no secret is ever repeated in it.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.common import Connection, Section
from dffmpeg.configuration.coordinator import Cluster, CoordinatorConfig, Database, Hooks, Repository
from dffmpeg.configuration.job_checks import check_environment, check_fallback, check_hook, check_job
from dffmpeg.configuration.mounts import MountSettings, mounts_of
from dffmpeg.configuration.scheduling import Scheduling
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.model.scheduling import hours
from dffmpeg.wire.signature import decode_key

T = TypeVar("T", bound=Section)

SERVERS = frozenset({"postgresql", "mysql"})
"""Engines whose settings name files."""

SERVER_FILES = frozenset({"password_file", "socket", "ca", "cert", "key"})
REPOSITORIES = ("auth", "jobs", "workers", "messages", "streams")

MIN_SECRET = 32

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_UNIT = re.compile(r"[A-Za-z0-9_:.\\@][A-Za-z0-9_:.\\@-]*\.(mount|automount|service|target)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def check(config: T, folder: Path) -> T:
    """Check a configuration's values.

    Args:
        folder: the base of relative file names.

    Returns:
        The configuration with file names absolute and directories normalised.

    Raises:
        ValueError: a value does not fit; the text is "key: what was expected".
    """
    changes: dict[str, Any] = {}
    if isinstance(config, Connection):
        _check_connection(config)
    if isinstance(config, WorkerConfig | ClientConfig):
        _check_transports("transports", config.transports)
        changes["paths"] = {
            check_variable(f"paths.{_shown(name)}", name): check_directory(f"paths.{_shown(name)}", directory)
            for name, directory in config.paths.items()
        }
        check_environment(config.environment)
    if isinstance(config, ClientConfig):
        for index, label in enumerate(config.job.labels):
            check_name(f"job.labels[{index}]", label)
        check_job(config.job)
        check_fallback(config)
    if isinstance(config, WorkerConfig):
        changes["binaries"] = {
            check_name(f"binaries.{_shown(name)}", name): _program(
                f"binaries.{_shown(name)}", program, folder
            )
            for name, program in config.binaries.items()
        }
        changes["mounts"] = {
            check_variable(f"mounts.{_shown(name)}", name): _check_mount(f"mounts.{name}", mount)
            for name, mount in config.mounts.items()
        }
        mounts_of(changes["mounts"])
        changes["transport_settings"] = _transport_settings(config.transport_settings, folder)
        changes["cache"] = None if config.cache is None else _file("cache", config.cache, folder)
        _check_substitutions(config)
        _check_offer(config)
        if config.output.chunk > config.output.window:
            raise ValueError("output.chunk: expected at most output.window")
    if isinstance(config, CoordinatorConfig):
        _check_coordinator(config)
        changes["database"] = _check_database(config.database, folder)
        changes["transports"] = msgspec.structs.replace(
            config.transports,
            transport_settings=_transport_settings(config.transports.transport_settings, folder),
        )
    return msgspec.structs.replace(config, **changes)


def check_url(key: str, url: str) -> str:
    """An http(s) URL of a coordinator, with a host, perhaps a path, and nothing else."""
    expected = f"{key}: expected a URL such as https://coordinator.example:8000, got {url!r}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.username is not None or parts.password is not None:
        # Not repeated: it holds a password.
        raise ValueError(f"{key}: expected a URL without user name and password")
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(expected)
    if parts.query or parts.fragment:
        raise ValueError(f"{key}: expected a URL without query and fragment, got {url!r}")
    return url


def check_network(key: str, text: str) -> str:
    """An IP network in CIDR form, or a single address."""
    import ipaddress

    try:
        ipaddress.ip_network(text)
    except ValueError:
        pass
    else:
        return text
    try:
        meant = f", did you mean {ipaddress.ip_network(text, strict=False)}?"
    except ValueError:
        meant = ""
    raise ValueError(f"{key}: expected a network such as 192.168.0.0/24, got {text!r}{meant}")


def check_variable(key: str, name: str) -> str:
    """A path variable's name: it stands behind a `$`, so it must end where the path goes on."""
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{key}: expected a name of letters, digits and _ that begins with no digit")
    return name


def check_directory(key: str, directory: str) -> str:
    """A mapped directory: absolute, and not the root, which would map every path there is.

    Returns:
        It without a trailing slash and empty or `.` components.
    """
    if not os.path.isabs(directory) or "\0" in directory:
        raise ValueError(f"{key}: expected an absolute directory, got {directory!r}")
    # normpath would take `a/..` away, which is another place where `a` is a symbolic link.
    if ".." in directory.split("/"):
        raise ValueError(f"{key}: expected a directory without '..', got {directory!r}")
    plain = "/" + os.path.normpath(directory).lstrip("/")
    if plain == "/":
        raise ValueError(f"{key}: expected a directory below '/', not '/' itself")
    return plain


def _check_mount(key: str, mount: MountSettings) -> MountSettings:
    read = mount.read
    if read is not None and (not read or "\0" in read or os.path.isabs(read) or ".." in read.split("/")):
        raise ValueError(f"{key}.read: expected a file's path below the mount, got {read!r}")
    # A word that begins with a dash would be an option of systemctl.
    if mount.unit is not None and not _UNIT.fullmatch(mount.unit):
        raise ValueError(f"{key}.unit: expected a unit such as mnt-nas.mount, got {mount.unit!r}")
    return msgspec.structs.replace(mount, path=check_directory(f"{key}.path", mount.path))


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _check_transports(key: str, names: Collection[str]) -> None:
    if not names:
        raise ValueError(f"{key}: expected at least one name")


def _transport_settings(tables: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """A transport checks its own; only what a file's name is relative to is known nowhere but here."""
    return {
        name: {
            key: _file(f"transport_settings.{_shown(name)}.{key}", value, folder)
            if key.endswith("_file") and isinstance(value, str)
            else value
            for key, value in table.items()
        }
        for name, table in tables.items()
    }


def _check_connection(config: Connection) -> None:
    check_url("coordinator_url", config.coordinator_url)
    check_name("client_id", config.client_id)
    try:
        decode_key(config.hmac_key)
    except ValueError as error:
        raise ValueError(f"hmac_key: {error}") from None


def _check_coordinator(config: CoordinatorConfig) -> None:
    _check_host(config.host)
    if not config.allowed_binaries:
        raise ValueError("allowed_binaries: expected at least one name, or no job could be submitted")
    for index, name in enumerate(config.allowed_binaries):
        check_name(f"allowed_binaries[{index}]", name)
    _check_transports("transports.enabled_transports", config.transports.enabled_transports)
    _check_networks("allowed_dashboard_ips", config.allowed_dashboard_ips)
    _check_networks("security.trusted_proxies", config.security.trusted_proxies)
    if config.retries.backoff_minimum > config.retries.backoff_maximum:
        raise ValueError("retries.backoff_minimum: expected at most retries.backoff_maximum")
    if config.proxy_protocol and not config.security.trusted_proxies:
        raise ValueError("proxy_protocol: expected security.trusted_proxies to name who sends its header")
    _check_cluster(config.cluster)
    _check_hooks(config.hooks)
    _check_scheduling(config.scheduling)


def _check_host(host: str) -> None:
    import ipaddress

    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Digits and dots alone are meant as an address; a name has to be one that there can be.
        if not _HOST.fullmatch(host) or not host.strip("0123456789."):
            raise ValueError(
                f"host: expected an address to listen on, such as 127.0.0.1 or ::, got {host!r}"
            ) from None


def _check_cluster(config: Cluster) -> None:
    if config.advertise is not None:
        check_url("cluster.advertise", config.advertise)
        if config.secret is None:
            raise ValueError("cluster.secret: missing, expected what all coordinators of this cluster share")
    if config.secret is not None and len(config.secret) < MIN_SECRET:
        raise ValueError(f"cluster.secret: expected at least {MIN_SECRET} characters")


def _check_offer(config: WorkerConfig) -> None:
    for index, label in enumerate(config.labels):
        check_name(f"labels[{index}]", label)
    for name in config.resources:
        check_name(f"resources.{_shown(name)}", name)
    if config.hours is not None:
        try:
            hours.parse(config.hours)
        except hours.BadHours as error:
            raise ValueError(f"hours: {error}") from None


def _check_substitutions(config: WorkerConfig) -> None:
    for name, substitution in config.stand_ins.items():
        key = f"substitutions.{_shown(name)}"
        check_name(key, name)
        check_name(f"{key}.use", substitution.use)
        for option in filter(None, substitution.options.values()):
            check_name(f"{key}.options", option)


def _check_scheduling(config: Scheduling) -> None:
    tables: list[tuple[str, Iterable[str]]] = [
        ("classes", config.classes),
        ("resources", config.resources),
        ("requesters", config.requesters),
        ("labels", config.labels),
    ]
    tables += [
        (f"reserved_resources.{_shown(known)}", names) for known, names in config.reserved_resources.items()
    ]
    for key, names in tables:
        for name in names:
            check_name(f"scheduling.{key}.{_shown(name)}", name)
    for name, patterns in config.resources.items():
        if "" in patterns:
            raise ValueError(f"scheduling.resources.{name}: expected patterns such as *_nvenc, got ''")
    if len(set(config.classes.values())) < len(config.classes):
        raise ValueError("scheduling.classes: expected another priority for each class")
    for key, names in (("reserved", config.reserved), ("reserved_resources", config.reserved_resources)):
        for name in names:
            if name not in config.classes:
                near = did_you_mean(name, config.classes)
                raise ValueError(f"scheduling.{key}.{_shown(name)}: there is no such class{near}")
    if config.quarantine.minimum > config.quarantine.maximum:
        raise ValueError("scheduling.quarantine.minimum: expected at most scheduling.quarantine.maximum")


def _check_hooks(config: Hooks) -> None:
    for index, url in enumerate(config.allowed):
        check_hook(f"hooks.allowed[{index}]", url)
    if config.allowed and config.secret is None:
        raise ValueError("hooks.secret: missing, expected what calls are to be signed with")
    if config.secret is not None and len(config.secret) < MIN_SECRET:
        raise ValueError(f"hooks.secret: expected at least {MIN_SECRET} characters")
    if config.backoff_minimum > config.backoff_maximum:
        raise ValueError("hooks.backoff_minimum: expected at most hooks.backoff_maximum")


def _check_networks(key: str, networks: Iterable[str]) -> None:
    for index, network in enumerate(networks):
        check_network(f"{key}[{index}]", network)


def _check_database(database: Database, folder: Path) -> Database:
    defaults = {name: dict(options) for name, options in database.engine_defaults.items()}
    if "sqlite" in defaults:
        sqlite = defaults["sqlite"]
        path = sqlite.get("path", "dffmpeg.db")
        sqlite["path"] = _database_path("database.engine_defaults.sqlite.path", path, folder)
    for engine in SERVERS.intersection(defaults):
        options = defaults[engine]
        for name in SERVER_FILES.intersection(options):
            if isinstance(options[name], str):
                options[name] = _file(f"database.engine_defaults.{engine}.{name}", options[name], folder)
    repositories = {
        name: _check_repository(name, repository, folder)
        for name, repository in database.repositories.items()
    }
    return Database(engine=database.engine, engine_defaults=defaults, repositories=repositories)


def _check_repository(name: str, repository: Repository, folder: Path) -> Repository:
    key = f"database.repositories.{_shown(name)}"
    if name not in REPOSITORIES:
        raise ValueError(f"{key}: unknown repository{did_you_mean(name, REPOSITORIES)}")
    for index, text in enumerate(repository.encryption_keys):
        if ":" in text:
            continue  # another provider's, which it checks itself
        _check_fernet_key(f"{key}.encryption_keys[{index}]", text)
    if name != "auth" and (repository.encryption_keys or repository.encryption_keys_file is not None):
        raise ValueError(f"{key}: encryption keys belong to database.repositories.auth only")
    if repository.encryption_keys_file is None:
        return repository
    file = _file(f"{key}.encryption_keys_file", repository.encryption_keys_file, folder)
    return msgspec.structs.replace(repository, encryption_keys_file=file)


def _check_fernet_key(key: str, text: str) -> None:
    try:
        decode_key(text.replace("-", "+").replace("_", "/"))
    except ValueError:
        raise ValueError(f"{key}: expected a Fernet key: URL-safe base64 of 32 bytes") from None


def check_name(key: str, name: str) -> str:
    """A name that people choose: an identity's, a program's."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{key}: expected letters, digits, '_', '-' and '.' (at most 128), got {name!r}")
    return name


def _database_path(key: str, path: object, folder: Path) -> str:
    if not isinstance(path, str):
        raise ValueError(f"{key}: expected a string")  # noqa: TRY004 - one kind of error for every check
    if path == ":memory:":
        raise ValueError(f"{key}: expected a file: what is in memory would be gone at the next start")
    return _file(key, path, folder)


def _program(key: str, program: str, folder: Path) -> str:
    if "/" in program:
        return _file(key, program, folder)
    if not program or "\0" in program:
        raise ValueError(f"{key}: expected a program's name or path")
    return program


def _file(key: str, name: str, folder: Path) -> str:
    if not name or "\0" in name:
        raise ValueError(f"{key}: expected a file name")
    return os.path.join(os.path.abspath(folder), name)


def did_you_mean(name: str, names: Collection[str] | Mapping[str, object]) -> str:
    """`, did you mean "slots"?`, or which ones there are when none is close."""
    import difflib

    near = difflib.get_close_matches(name, list(names), 1)
    if near:
        return f', did you mean "{near[0]}"?'
    return f"; there are {', '.join(names)}" if names else "; there are none"
