"""Where configuration files are searched. Imports next to nothing: the stand-ins' shim searches too."""

from __future__ import annotations

import os
import sys


class NoConfiguration(Exception):
    """There is no file to use; the text is one line that says where it was looked for."""


def find(process: str) -> str:
    """The absolute path of a process's configuration, where the command line names none.

    Args:
        process: `coordinator`, `worker` or `client`.

    Raises:
        NoConfiguration: the file that the environment names is missing, or it names none and there is none.
    """
    variable = f"DFFMPEG_{process.upper()}_CONFIG"
    value = os.environ.get(variable)
    if value:
        return existing(value, f" (named by {variable})")
    places = candidates(process)
    for place in places:
        if os.path.isfile(place):
            return place
    looked = ", ".join(places)
    raise NoConfiguration(f"no {process} configuration: looked at --config, {variable}, {looked}")


def existing(path: str, by: str = "") -> str:
    """A named file's absolute path; raises `NoConfiguration` if it is missing."""
    if not os.path.exists(path):
        raise NoConfiguration(f"{path}: no such file{by}")
    return os.path.abspath(path)


def candidates(process: str) -> list[str]:
    """Where a configuration is searched when none was named, in order; absolute paths."""
    name = f"dffmpeg-{process}.toml"
    places = []
    try:  # noqa: SIM105 - contextlib takes long to import
        places.append(os.path.join(os.getcwd(), name))
    except FileNotFoundError:
        # The working directory may have been removed; the other places are there.
        pass
    user = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG base directory specification: a relative value must be ignored.
    if not os.path.isabs(user):
        user = os.path.expanduser("~/.config")
    # Without a home, expanduser leaves the tilde.
    if os.path.isabs(user):
        places.append(os.path.join(user, "dffmpeg", f"{process}.toml"))
    places += [f"/etc/dffmpeg/{process}.toml", os.path.join(sys.prefix, name)]
    return places
