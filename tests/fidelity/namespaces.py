"""Commands that run in a mount namespace where a folder is under another name, as on another machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_REBIND = """\
set -e
mount --bind "$1" "$2"
mount -t tmpfs -o mode=755,size=64k none "$1"
shift 2
exec "$@"
"""


def elsewhere(folder: Path, other: Path) -> list[str] | None:
    """What to put in front of a command so that it finds `folder` at `other`, and nothing at `folder`.

    Root keeps its rights in there, as it has them on a machine of its own; anybody else
    needs user namespaces.

    Returns:
        None where this machine lets us do neither.
    """
    prefixes: list[list[str]] = []
    if os.geteuid() == 0:
        script = ["sh", "-c", _REBIND, "sh", str(folder), str(other)]
        prefixes.append(["unshare", "--mount", "--propagation", "private", "--", *script])
    binds = ["--dev-bind", "/", "/", "--bind", str(folder), str(other), "--tmpfs", str(folder)]
    prefixes.append(["bwrap", *binds, "--"])
    return next((prefix for prefix in prefixes if _works(prefix, folder, other)), None)


def _works(prefix: Sequence[str], folder: Path, other: Path) -> bool:
    mark = folder / ".mark"
    mark.touch()
    check = ["sh", "-c", 'test -e "$1/.mark" && ! test -e "$0/.mark"', str(folder), str(other)]
    try:
        tried = subprocess.run([*prefix, *check], capture_output=True, check=False, timeout=60)
    except FileNotFoundError:
        return False
    finally:
        mark.unlink()
    return tried.returncode == 0
