"""Finding an installed transport by its name."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from dffmpeg.errors import ConfigurationError


def load_entry(group: str, name: str, key: str) -> Any:
    """What an entry point of a transport loads.

    Args:
        key: where the configuration has the name, for errors.

    Raises:
        ConfigurationError: it is not installed, or lacks a package that it needs.
    """
    found = list(entry_points(group=group, name=name))
    if not found:
        known = ", ".join(sorted(entry_points(group=group).names)) or "none"
        raise ConfigurationError(f"{key}: there is no transport {name!r}; installed: {known}")
    try:
        return found[0].load()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "dffmpeg":
            raise
        raise ConfigurationError(
            f"{key}: {name} needs the Python package {error.name}; run: pip install 'dffmpeg[{name}]'"
        ) from error
