"""The check that keeps a worker from reading or writing a path that only the caller has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from dffmpeg.model.paths import SYSTEM, PathError, Suspect, covered, inside, path_to_variable, suspects


def check(
    action: str,
    program: str,
    arguments: Sequence[bytes],
    directories: Mapping[str, bytes],
    *,
    cwd: bytes | None,
) -> None:
    """Refuse, or warn about, a command line with a path that is there for the caller and not mapped, or
    leads out of what is.

    Looks at the file system.

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
    line = line or find_links(action, program, arguments, directories, cwd=cwd)
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
    """What `check` would warn about of paths that are not mapped. Looks at no others."""
    if action == "ignore":
        return None
    relative = cwd is not None and not _is_mapped(cwd, directories)
    for suspect in suspects(program, arguments, directories, relative=relative):
        if _is_there(suspect, cwd):
            return _said(action, _fault(suspect.path, cwd), directories)
    return None


def find_links(
    action: str,
    program: str,
    arguments: Sequence[bytes],
    directories: Mapping[str, bytes],
    *,
    cwd: bytes | None,
) -> str | None:
    """What `check` would warn about of paths in mapped directories that are links out of all of them: no
    worker takes those. Follows links, so it hangs where a mapped directory does.
    """
    real = tuple(map(os.path.realpath, directories.values()))
    for suspect in _mapped(action, program, arguments, directories, cwd):
        path = os.path.join(cwd or b"/", suspect.path)
        if b"\0" in path:
            continue
        target = os.path.realpath(path)
        # Of a relative path a worker does not ask where it leads, and finds its own system there.
        elsewhere = real if suspect.path.startswith(b"/") else (*real, *SYSTEM)
        if not inside(target, elsewhere) and _is_there(Suspect(target, suspect.parent_counts), None):
            return _said(
                action,
                f"{os.fsdecode(suspect.path)} leads to {os.fsdecode(target)}, which is",
                directories,
            )
    return None


def may_lead_out(
    action: str,
    program: str,
    arguments: Sequence[bytes],
    directories: Mapping[str, bytes],
    *,
    cwd: bytes | None,
) -> bool:
    """Whether there is anything for `find_links` to look at."""
    return any(True for _ in _mapped(action, program, arguments, directories, cwd))


def _mapped(
    action: str,
    program: str,
    arguments: Sequence[bytes],
    directories: Mapping[str, bytes],
    cwd: bytes | None,
) -> Iterator[Suspect]:
    if action != "ignore" and directories:
        relative = cwd is not None and _is_mapped(cwd, directories)
        yield from covered(program, arguments, directories, relative=relative)


def _is_mapped(directory: bytes, directories: Mapping[str, bytes]) -> bool:
    return bool(path_to_variable(directory, directories)[1])


def _is_there(suspect: Suspect, cwd: bytes | None) -> bool:
    path = os.path.join(cwd or b"/", suspect.path)
    if b"\0" in path:
        return False
    if os.path.lexists(path):
        return True
    parent = os.path.dirname(os.path.normpath(path))
    return suspect.parent_counts and parent != b"/" and os.path.isdir(parent)


def _fault(path: bytes, cwd: bytes | None) -> str:
    fault = f"{os.fsdecode(path)} is"
    if not path.startswith(b"/"):
        fault += f" relative, and the working directory {os.fsdecode(cwd or b'')} is"
    return fault


def _said(action: str, fault: str, directories: Mapping[str, bytes]) -> str:
    mapped = ", ".join(f"{name}={os.fsdecode(path)}" for name, path in directories.items()) or "none"
    line = (
        f"{fault} in no mapped directory; mapped: {mapped}; "
        'add it to [paths] on both sides, or set unmapped_paths = "warn"'
    )
    if action == "error":
        raise PathError(line)
    return line
