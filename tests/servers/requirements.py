"""Whether this machine has a server's programs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

REQUIRED = os.environ.get("DFFMPEG_TEST_REQUIRE_SERVICES") == "1"
"""Whether a missing server is a failure and not a reason to leave a test out."""

_PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin")

GALERA = (Path("/usr/lib/galera/libgalera_smm.so"), Path("/usr/lib64/galera-4/libgalera_smm.so"))


class Missing(Exception):
    """A program that a server needs is not there; the text says which, and what has it."""


def program(name: str, package: str, *, places: Sequence[str] = ()) -> str:
    """The path of a program.

    Args:
        package: what has it, for the message.
        places: further folders to look into, the first one first.

    Raises:
        Missing: it is not there.
    """
    # A user's PATH often lacks the folders of servers.
    path = os.pathsep.join([*places, os.environ.get("PATH", os.defpath), *_PLACES])
    found = shutil.which(name, path=path)
    if found is None:
        raise Missing(f"there is no {name} on this machine (package {package})")
    return found


def galera_library() -> Path:
    """MariaDB's replication library.

    Raises:
        Missing: it is not there.
    """
    for path in GALERA:
        if path.is_file():
            return path
    raise Missing("there is no libgalera_smm.so on this machine (package galera-4)")
