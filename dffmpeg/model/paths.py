"""Path variables: the names under which two machines know the same directory.

What travels is `$Movies/a.mkv`; each machine says which of its own directories
`Movies` is. Pure functions over bytes, because file names are bytes.

A mapping never changes anything but the directory in front: `to_directories`
undoes `to_variables` for every byte string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from dffmpeg.errors import DffmpegError

_Replace = Callable[[bytes], bytes]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class PathError(DffmpegError):
    """A path or a mapping cannot be used: it leaves its directory, or its name is not mapped here."""


def validated(paths: Mapping[str, str]) -> dict[str, bytes]:
    """The mapping of a configuration file, checked and brought into the form that this module works with.

    Args:
        paths: variable to directory, as written in the file.

    Returns:
        Variable to absolute directory, without a slash at the end or doubled ones.

    Raises:
        PathError: a name that cannot be a variable's; a directory that is relative, holds
            `.` or `..` components or a NUL byte, or is `/`, which would give everything away.
    """
    return {name: _directory(name, text) for name, text in paths.items()}


def _directory(name: str, text: str) -> bytes:
    if _NAME.fullmatch(name) is None:
        raise PathError(
            f"paths.{name}: a name holds letters, digits, '_', '.', '-' and begins with none of '.-'"
        )
    raw = text.encode("utf-8", "surrogateescape")
    if not raw.startswith(b"/"):
        raise PathError(f"paths.{name}: expected an absolute directory, got {text!r}")
    components = [component for component in raw.split(b"/") if component]
    if b"\0" in raw or b"." in components or b".." in components:
        raise PathError(f"paths.{name}: {text!r} holds a '.' or '..' component or a NUL byte")
    if not components:
        raise PathError(f"paths.{name}: the root directory cannot be mapped")
    return b"/" + b"/".join(components)


def spans(argument: bytes) -> list[tuple[int, int]]:
    """Where in one argument of ffmpeg a path may stand.

    The whole argument, what follows `file:`, and each part of `concat:a|b` (ffmpeg-protocols(1)).
    An argument that begins with `-` is an option, or standard input or output, and holds none.

    Returns:
        Start and end of each span, in order, not overlapping; a span may be empty.
    """
    if argument.startswith(b"-"):
        return []
    if argument.startswith(b"concat:"):
        return list(_parts(argument, len(b"concat:")))
    return [(_behind_file(argument, 0), len(argument))]


def _parts(argument: bytes, start: int) -> Iterator[tuple[int, int]]:
    # The concat protocol knows no escape for its separator: a part ends at every '|'.
    for part in argument[start:].split(b"|"):
        end = start + len(part)
        yield _behind_file(argument, start), end
        start = end + 1


def _behind_file(argument: bytes, start: int) -> int:
    return start + len(b"file:") if argument.startswith(b"file:", start) else start


def to_variables(argument: bytes, directories: Mapping[str, bytes]) -> tuple[bytes, frozenset[str]]:
    """Replace directories by their variables.

    The longest directory wins among those that the path does not leave again by `..`; only whole
    components match, and they match literally. A span that begins with `$` gets another in front.

    Args:
        argument: one argument of the command line, or a working directory.
        directories: from `validated`.

    Returns:
        The argument in the form that travels, and the variables that stand in it.
    """
    ordered = sorted(directories.items(), key=lambda item: len(item[1]), reverse=True)
    used: set[str] = set()

    def replace(path: bytes) -> bytes:
        if path.startswith(b"$"):
            return b"$" + path
        for name, directory in ordered:
            rest = path[len(directory) :]
            if path.startswith(directory) and rest[:1] in (b"", b"/") and not _leaves(rest):
                used.add(name)
                return b"$" + name.encode("ascii") + rest
        return path

    return _rewritten(argument, replace), frozenset(used)


def to_directories(argument: bytes, directories: Mapping[str, bytes], names: Collection[str]) -> bytes:
    """Replace variables by this machine's directories: the inverse of `to_variables`.

    Args:
        argument: one argument as it travelled.
        directories: from `validated`, this machine's.
        names: the variables that the sender says it used. Any other `$word` is literal text,
            which a sender that does not double the `$` may have meant.

    Raises:
        PathError: a path leaves its directory by `..`, a name of `names` stands in the argument
            and is not mapped here, or the directory cannot be written at this place.
    """

    def replace(path: bytes) -> bytes:
        if path.startswith(b"$$"):
            return path[1:]
        variable, slash, tail = path.partition(b"/")
        name = variable[1:].decode("utf-8", "surrogateescape")
        if not variable.startswith(b"$") or name not in names:
            return path
        if name not in directories:
            raise PathError(f"the path ${name} is not mapped here")
        if _leaves(slash + tail):
            raise PathError(f"a path leaves its directory ${name}")
        if b"|" in directories[name] and argument.startswith(b"concat:"):
            raise PathError(f"the directory of ${name} holds a '|', which cannot stand in concat:")
        return directories[name] + slash + tail

    return _rewritten(argument, replace)


def _rewritten(argument: bytes, replace: _Replace) -> bytes:
    pieces: list[bytes] = []
    behind = 0
    for start, end in spans(argument):
        pieces += (argument[behind:start], replace(argument[start:end]))
        behind = end
    pieces.append(argument[behind:])
    return b"".join(pieces)


def _leaves(rest: bytes) -> bool:
    """Whether a path below a directory steps above it, even if it comes back."""
    depth = 0
    for component in rest.split(b"/"):
        if component == b"..":
            depth -= 1
        elif component not in (b"", b"."):
            depth += 1
        if depth < 0:
            return True
    return False
