"""Finding an installed transport by its name."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from dffmpeg.errors import ConfigurationError


def refuse_unknown(group: str, names: Iterable[str], key: str) -> None:
    """See to it that tables of settings are of transports that there are: a misspelt one would be no one's,
    and the transport that was meant would run on its defaults.

    Args:
        names: the tables'.
        key: where the configuration has them, for errors.

    Raises:
        ConfigurationError: one is of no installed transport.
    """
    installed = entry_points(group=group).names
    for name in names:
        if name not in installed:
            # Only a broken configuration pays for the import.
            from dffmpeg.configuration.checks.values import did_you_mean, shown

            near = did_you_mean(name, sorted(installed), likeness=0.5)
            raise ConfigurationError(f"{key}.{shown(name)}: there is no such transport{near}")


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
