"""What `coordinator.toml` may say beyond its types."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dffmpeg.configuration.checks.values import (
    absolute_file,
    check_hook,
    check_name,
    check_networks,
    check_transports,
    did_you_mean,
    shown,
)
from dffmpeg.configuration.coordinator import CoordinatorConfig, Database, Hooks, Repository
from dffmpeg.configuration.scheduling import Scheduling
from dffmpeg.wire.signature import decode_key

REPOSITORIES = ("auth", "jobs", "workers", "messages", "streams")

MIN_SECRET = 32


def changes(config: CoordinatorConfig, folder: Path) -> dict[str, object]:
    """What is normalised of it; raises ValueError as `check`."""
    _check_coordinator(config)
    return {"database": _check_database(config.database, folder)}


def _check_coordinator(config: CoordinatorConfig) -> None:
    if not config.host or not config.host.isprintable():
        raise ValueError("host: expected an address to listen on, such as 127.0.0.1 or ::")
    for index, name in enumerate(config.allowed_binaries):
        check_name(f"allowed_binaries[{index}]", name)
    check_transports("transports.enabled_transports", config.transports.enabled_transports)
    check_networks("allowed_dashboard_ips", config.allowed_dashboard_ips)
    check_networks("security.trusted_proxies", config.security.trusted_proxies)
    if config.retries.backoff_minimum > config.retries.backoff_maximum:
        raise ValueError("retries.backoff_minimum: expected at most retries.backoff_maximum")
    _check_hooks(config.hooks)
    _check_scheduling(config.scheduling)


def _check_scheduling(config: Scheduling) -> None:
    for name in config.classes:
        check_name(f"scheduling.classes.{shown(name)}", name)
    for name in config.resources:
        check_name(f"scheduling.resources.{shown(name)}", name)
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
    if config.secret is not None and len(config.secret) < MIN_SECRET:
        raise ValueError(f"hooks.secret: expected at least {MIN_SECRET} characters")
    if config.backoff_minimum > config.backoff_maximum:
        raise ValueError("hooks.backoff_minimum: expected at most hooks.backoff_maximum")


def _check_database(database: Database, folder: Path) -> Database:
    defaults = {name: dict(options) for name, options in database.engine_defaults.items()}
    if "sqlite" in defaults:
        sqlite = defaults["sqlite"]
        path = sqlite.get("path", "dffmpeg.db")
        sqlite["path"] = _database_path("database.engine_defaults.sqlite.path", path, folder)
    repositories = {
        name: _check_repository(name, repository, folder)
        for name, repository in database.repositories.items()
    }
    return Database(engine_defaults=defaults, repositories=repositories)


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
