"""The check that keeps a worker from reading or writing a path that only the caller has."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from dffmpeg.model.paths import PathError, Suspect, path_to_variable, suspects


def check(
    action: str,
    program: str,
    arguments: Sequence[bytes],
    directories: Mapping[str, bytes],
    *,
    cwd: bytes | None,
) -> None:
    """Refuse, or warn about, a command line with a path that is there for the caller and not mapped.

    Looks at the file system, but only at paths that are not mapped.

    Args:
        action: `error`, `warn` or `ignore`.
        program: its name.
        arguments: as the caller wrote them.
        directories: the mapped ones.
        cwd: the working directory; None where there is none.

    Raises:
        PathError: there is such a path, and the action is `error`.
    """
    line = find(action, program, arguments, directories, cwd=cwd)
    if line is not None:
        # Here, because importing it takes time and hardly anybody needs it.
        import logging

        logging.getLogger(__name__).warning("dffmpeg: %s", line)


def find(
    action: str,
    program: str,
    arguments: Sequence[bytes],
    directories: Mapping[str, bytes],
    *,
    cwd: bytes | None,
) -> str | None:
    """As `check`, but what it would warn about is returned."""
    if action == "ignore":
        return None
    relative = cwd is not None and not path_to_variable(cwd, directories)[1]
    for suspect in suspects(program, arguments, directories, relative=relative):
        if _is_there(suspect, cwd):
            line = _line(suspect.path, cwd, directories)
            if action == "error":
                raise PathError(line)
            return line
    return None


def _is_there(suspect: Suspect, cwd: bytes | None) -> bool:
    path = os.path.join(cwd or b"/", suspect.path)
    if b"\0" in path:
        return False
    if os.path.lexists(path):
        return True
    parent = os.path.dirname(os.path.normpath(path))
    return suspect.parent_counts and parent != b"/" and os.path.isdir(parent)


def _line(path: bytes, cwd: bytes | None, directories: Mapping[str, bytes]) -> str:
    mapped = ", ".join(f"{name}={os.fsdecode(path)}" for name, path in directories.items()) or "none"
    fault = f"{os.fsdecode(path)} is"
    if not path.startswith(b"/"):
        fault += f" relative, and the working directory {os.fsdecode(cwd or b'')} is"
    return (
        f"{fault} in no mapped directory; mapped: {mapped}; "
        'add it to [paths] on both sides, or set unmapped_paths = "warn"'
    )
