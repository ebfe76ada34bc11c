"""From directories to variables and back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from dffmpeg.model.paths.directories import PathError, directory_of, leaves, longest_first
from dffmpeg.model.paths.places import Place, places_in, report_places, single_place
from dffmpeg.model.paths.spelling import STYLES

_Change = tuple[int, bytes]
"""How many bytes from a place's start on are replaced, and by what."""


def arguments_to_variables(
    arguments: Sequence[bytes], directories: Mapping[str, bytes]
) -> tuple[list[bytes], frozenset[str]]:
    """Replace directories by their variables wherever ffmpeg or ffprobe takes a path.

    The longest directory wins among those that the path does not leave again by `..`; only whole
    components match, and they match literally. A path that begins with `$` gets another in front.
    A directory that is spelled in a way that could not be restored is left as it is; only a worker
    with a view can run that.

    Args:
        arguments: without the program's name.
        directories: from `validated`.

    Returns:
        The arguments in the form that travels, and the variables that stand in it or are needed for it.
    """
    change = _ToVariable(directories)
    return _rewritten(arguments, places_in(arguments), change), frozenset(change.used)


def arguments_to_directories(
    arguments: Sequence[bytes], directories: Mapping[str, bytes], names: Collection[str]
) -> list[bytes]:
    """Replace variables by this machine's directories: the inverse of `arguments_to_variables`.

    Args:
        arguments: as they travelled.
        directories: from `validated`, this machine's; or the client's own, for what its user typed.
        names: the variables that the sender says it used. Any other `$word` is literal text,
            which a sender that does not double the `$` may have meant.

    Raises:
        PathError: a path leaves its directory by `..`, a name of `names` stands in an argument
            and is not mapped here, or the directory cannot be written at this place.
    """
    return _rewritten(arguments, places_in(arguments), _to_directory(directories, names))


def path_to_variable(path: bytes, directories: Mapping[str, bytes]) -> tuple[bytes, frozenset[str]]:
    """The same for a path by itself, such as a working directory."""
    change = _ToVariable(directories)
    return _rewritten([path], _only(path), change)[0], frozenset(change.used)


def path_to_directory(path: bytes, directories: Mapping[str, bytes], names: Collection[str]) -> bytes:
    """The inverse of `path_to_variable`; raises PathError as `arguments_to_directories`."""
    return _rewritten([path], _only(path), _to_directory(directories, names))[0]


def report_to_variables(value: bytes, directories: Mapping[str, bytes]) -> tuple[bytes, frozenset[str]]:
    """The same for a value of the variable FFREPORT."""
    change = _ToVariable(directories)
    return _rewritten([value], report_places(value), change)[0], frozenset(change.used)


def report_to_directories(value: bytes, directories: Mapping[str, bytes], names: Collection[str]) -> bytes:
    """The inverse of `report_to_variables`; raises PathError as `arguments_to_directories`."""
    return _rewritten([value], report_places(value), _to_directory(directories, names))[0]


def _only(path: bytes) -> list[Place]:
    place = single_place(path)
    return [place] if place is not None else []


def _rewritten(
    arguments: Sequence[bytes], places: Iterable[Place], change: Callable[[bytes, Place], _Change | None]
) -> list[bytes]:
    result = list(arguments)
    pieces: list[bytes] = []
    current, behind = -1, 0

    def close() -> None:
        if current >= 0:
            result[current] = b"".join((*pieces, arguments[current][behind:]))
            pieces.clear()

    for place in places:
        changed = change(arguments[place.argument], place)
        if changed is None:
            continue
        if place.argument != current:
            close()
            current, behind = place.argument, 0
        length, text = changed
        pieces += (arguments[current][behind : place.start], text)
        behind = place.start + length
    close()
    return result


class _ToVariable:
    """A change that remembers the names."""

    def __init__(self, directories: Mapping[str, bytes]) -> None:
        self._ordered = longest_first(directories)
        self.used: set[str] = set()

    def __call__(self, argument: bytes, place: Place) -> _Change | None:
        if argument.startswith(b"$", place.start):
            return 0, b"$"
        if not place.path.startswith(b"/"):
            return None
        found = directory_of(place.path, self._ordered)
        if found is None:
            return None
        name, directory = found
        self.used.add(name)
        for style in range(STYLES):
            spelled = place.spelled(directory, style)
            if spelled is not None and argument.startswith(spelled, place.start):
                return len(spelled), b"$" + name.encode("ascii") + (b"~%d" % style if style else b"")
        return None


def _to_directory(
    directories: Mapping[str, bytes], names: Collection[str]
) -> Callable[[bytes, Place], _Change | None]:
    def change(argument: bytes, place: Place) -> _Change | None:
        if argument.startswith(b"$$", place.start):
            return 2, b"$"
        variable, slash, tail = place.path.partition(b"/")
        # What is escaped or quoted half-way was never written by us.
        if not variable.startswith(b"$") or not argument.startswith(variable, place.start):
            return None
        text, _, number = variable[1:].partition(b"~")
        name = text.decode("utf-8", "surrogateescape")
        if name not in names or number not in _STYLE_NUMBERS:
            return None
        if name not in directories:
            raise PathError(f"the path ${name} is not mapped here")
        if leaves(slash + tail):
            raise PathError(f"a path leaves its directory ${name}")
        spelled = place.spelled(directories[name], _STYLE_NUMBERS[number])
        if spelled is None:
            raise PathError(f"the directory of ${name} holds a '|', which cannot stand in concat:")
        return len(variable), spelled

    return change


_STYLE_NUMBERS = {b"": 0, **{b"%d" % style: style for style in range(1, STYLES)}}
