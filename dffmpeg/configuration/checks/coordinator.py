"""What `coordinator.toml` may say beyond its types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from dffmpeg.configuration.checks.values import (
    absolute_file,
    check_hook,
    check_name,
    check_networks,
    check_origin,
    check_transports,
    check_url,
    did_you_mean,
    files_of,
    shown,
    transport_settings,
)
from dffmpeg.configuration.coordinator import Cluster, CoordinatorConfig, Database, Hooks, Repository, Tls
from dffmpeg.configuration.scheduling import Scheduling
from dffmpeg.wire.signature import decode_key

SERVERS = frozenset({"postgresql", "mysql"})
"""Engines whose settings name files."""

SERVER_FILES = frozenset({"password_file", "socket", "ca", "cert", "key"})
REPOSITORIES = ("auth", "jobs", "workers", "messages", "streams")

MIN_SECRET = 32
PLACEHOLDER = "openssl rand"
"""Stands in each secret that documentation and examples show, and in none that was made."""


_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")


def changes(config: CoordinatorConfig, folder: Path) -> dict[str, object]:
    """What is normalised of it; raises ValueError as `check`."""
    _check_coordinator(config)
    settings = transport_settings(config.transports.transport_settings, folder)
    return {
        "tls": _check_tls(config.tls, folder),
        "cluster": _check_cluster(config.cluster, folder),
        "database": _check_database(config.database, folder),
        "transports": msgspec.structs.replace(config.transports, transport_settings=settings),
    }


def _check_coordinator(config: CoordinatorConfig) -> None:
    _check_host(config.host)
    if not config.allowed_binaries:
        raise ValueError("allowed_binaries: expected at least one name, or no job could be submitted")
    for index, name in enumerate(config.allowed_binaries):
        check_name(f"allowed_binaries[{index}]", name)
    check_transports("transports.enabled_transports", config.transports.enabled_transports)
    check_networks("allowed_dashboard_ips", config.allowed_dashboard_ips)
    check_networks("allowed_metrics_ips", config.allowed_metrics_ips)
    check_networks("security.trusted_proxies", config.security.trusted_proxies)
    check_networks("security.sign_in_networks", config.security.sign_in_networks)
    for index, text in enumerate(config.security.dashboard_origins):
        check_origin(f"security.dashboard_origins[{index}]", text)
    if config.retries.backoff_minimum > config.retries.backoff_maximum:
        raise ValueError("retries.backoff_minimum: expected at most retries.backoff_maximum")
    if config.proxy_protocol and not config.security.trusted_proxies:
        raise ValueError("proxy_protocol: expected security.trusted_proxies to name who sends its header")
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


def _check_tls(config: Tls, folder: Path) -> Tls:
    if config.client_cafile is not None and config.certfile is None:
        raise ValueError("tls.certfile: missing, clients are asked for certificates over TLS only")
    return files_of("tls", config, folder)


def _check_cluster(config: Cluster, folder: Path) -> Cluster:
    if config.advertise is not None:
        check_url("cluster.advertise", config.advertise)
        if config.secret is None:
            raise ValueError("cluster.secret: missing, expected what all coordinators of this cluster share")
    _check_secret("cluster.secret", config.secret)
    if config.cafile is None:
        return config
    return msgspec.structs.replace(config, cafile=absolute_file("cluster.cafile", config.cafile, folder))


def _check_secret(key: str, secret: str | None) -> None:
    if secret is None:
        return
    if PLACEHOLDER in secret:
        # What examples have in its place is known to everybody.
        raise ValueError(f"{key}: still an example's text, put there what `openssl rand -hex 32` prints")
    if len(secret) < MIN_SECRET:
        raise ValueError(f"{key}: expected at least {MIN_SECRET} characters")


def _check_scheduling(config: Scheduling) -> None:
    tables: list[tuple[str, Iterable[str]]] = [
        ("classes", config.classes),
        ("resources", config.resources),
        ("requesters", config.requesters),
        ("labels", config.labels),
    ]
    tables += [
        (f"reserved_resources.{shown(known)}", names) for known, names in config.reserved_resources.items()
    ]
    for key, names in tables:
        for name in names:
            check_name(f"scheduling.{key}.{shown(name)}", name)
    for name, patterns in config.resources.items():
        if "" in patterns:
            raise ValueError(f"scheduling.resources.{name}: expected patterns such as *_nvenc, got ''")
    if len(set(config.classes.values())) < len(config.classes):
        raise ValueError("scheduling.classes: expected another priority for each class")
    for key, names in (("reserved", config.reserved), ("reserved_resources", config.reserved_resources)):
        for name in names:
            if name not in config.classes:
                near = did_you_mean(name, config.classes)
                raise ValueError(f"scheduling.{key}.{shown(name)}: there is no such class{near}")
    if config.quarantine.minimum > config.quarantine.maximum:
        raise ValueError("scheduling.quarantine.minimum: expected at most scheduling.quarantine.maximum")


def _check_hooks(config: Hooks) -> None:
    for index, url in enumerate(config.allowed):
        check_hook(f"hooks.allowed[{index}]", url)
    if config.allowed and config.secret is None:
        raise ValueError("hooks.secret: missing, expected what calls are to be signed with")
    _check_secret("hooks.secret", config.secret)
    if config.backoff_minimum > config.backoff_maximum:
        raise ValueError("hooks.backoff_minimum: expected at most hooks.backoff_maximum")


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
                options[name] = absolute_file(
                    f"database.engine_defaults.{engine}.{name}", options[name], folder
                )
    repositories = {
        name: _check_repository(name, repository, folder)
        for name, repository in database.repositories.items()
    }
    return Database(engine=database.engine, engine_defaults=defaults, repositories=repositories)


def _check_repository(name: str, repository: Repository, folder: Path) -> Repository:
    key = f"database.repositories.{shown(name)}"
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
    file = absolute_file(f"{key}.encryption_keys_file", repository.encryption_keys_file, folder)
    return msgspec.structs.replace(repository, encryption_keys_file=file)


def _check_fernet_key(key: str, text: str) -> None:
    try:
        decode_key(text.replace("-", "+").replace("_", "/"))
    except ValueError:
        raise ValueError(f"{key}: expected a Fernet key: URL-safe base64 of 32 bytes") from None


def _database_path(key: str, path: object, folder: Path) -> str:
    if not isinstance(path, str):
        raise ValueError(f"{key}: expected a string")  # noqa: TRY004 - one kind of error for every check
    if path == ":memory:":
        raise ValueError(f"{key}: expected a file: what is in memory would be gone at the next start")
    return absolute_file(key, path, folder)
