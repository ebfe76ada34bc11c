"""The store's settings out of the coordinator's configuration, for it and for its administration."""

from __future__ import annotations

from pathlib import Path

from dffmpeg.configuration.coordinator import CoordinatorConfig, Database, Repository
from dffmpeg.errors import ConfigurationError
from dffmpeg.store import REPOSITORIES, StoreSettings, require_engine


def store_settings(config: CoordinatorConfig) -> StoreSettings:
    """What `open_store` takes.

    Reads the file of encryption keys, where one is named: a key a line, empty lines and those
    that begin with `#` aside. Its keys come behind those of the configuration itself.

    Raises:
        ConfigurationError: that file cannot be read, or holds no key; or an engine is not installed.
    """
    database = config.database
    return StoreSettings(
        engine_defaults=database.engine_defaults,
        engines={name: _engine(database, name) for name in REPOSITORIES},
        encryption_keys=_encryption_keys(database.repositories.get("auth", Repository())),
    )


def _engine(database: Database, name: str) -> str:
    repository = database.repositories.get(name)
    engine, key = database.engine, "database.engine"
    if repository is not None and repository.engine is not None:
        engine, key = repository.engine, f"database.repositories.{name}.engine"
    require_engine(name, engine, key)
    return engine


def _encryption_keys(auth: Repository) -> list[str]:
    keys = list(auth.encryption_keys)
    if auth.encryption_keys_file is None:
        return keys
    file = Path(auth.encryption_keys_file)
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigurationError(
            f"database.repositories.auth.encryption_keys_file: {file}: {reason}"
        ) from None
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise ConfigurationError(f"database.repositories.auth.encryption_keys_file: {file}: holds no key")
    return keys + found
