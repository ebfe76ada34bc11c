"""Where in a command line of ffmpeg or ffprobe paths stand.

Found by position, as the programs themselves do. Replacing the directory at a place by its variable,
or back, never changes which places there are: that is what makes the mapping exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from dffmpeg.model.paths import options
from dffmpeg.model.paths.graphs import filters_in
from dffmpeg.model.paths.spelling import Plain, Token, key_values, token
from dffmpeg.model.paths.words import words

_FILE = re.compile(rb"file:|md5:|bluray:")
_WRAPPERS = re.compile(
    rb"(?:concatf:|cache:|async:|crypto[:+]|hls[:+]|subfile,,(?:(?:start|end),[^,]*,)*,:)*(?:file:|md5:|bluray:)?"
)
_CONCAT = b"concat:"


class Use(Enum):
    """What the program does with a text that is a path, or may be one."""

    READ = "read"
    WRITTEN = "written"
    OUTPUT = "output"
    """Written as one of the outputs that the command line is about; in ffprobe's it is what is read."""
    OPTION = "option"
    """The value of an option: may be no path; may be read or written."""
    FILTER = "filter"
    """The value of a filter's option: may be no path; is read if it is one."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path in an argument.

    Attributes:
        argument: the argument's index.
        path: as the program reads it; not empty.
        start: where in the argument its first byte is written.
        use: what the program does with it.
    """

    argument: int
    path: bytes
    start: int
    use: Use
    _source: Plain | Token
    _index: int
    _forbidden: bytes = b""

    def spelled(self, directory: bytes, style: int = 0) -> bytes | None:
        """How a directory is written in front of the place; None where it cannot be."""
        if self._forbidden and self._forbidden in directory:
            return None
        return self._source.spelled(directory, self._index, style)


def places_in(arguments: Sequence[bytes]) -> Iterator[Place]:
    """Every path of a command line, in order; relative ones and addresses of other machines too.

    Args:
        arguments: without the program's name.
    """
    return _Walk(arguments).places()


def report_places(value: bytes) -> Iterator[Place]:
    """The path in a value of the variable FFREPORT: `file=…:level=…`."""
    for key, text, _ in key_values(Plain(value)):
        if key == b"file":
            yield from _addresses(0, text, Use.WRITTEN)


def single_place(path: bytes) -> Place | None:
    """The place that a directory or a file by itself is."""
    return Place(0, path, 0, Use.OPTION, Plain(path), 0) if path else None


class _Walk:
    """One pass over a command line. `format` is the `-f` that waits for its file."""

    def __init__(self, arguments: Sequence[bytes]) -> None:
        self._arguments = arguments
        self._format = b""

    def places(self) -> Iterator[Place]:
        for word in words(self._arguments):
            if word.value is None:
                continue
            if word.option is None:
                yield from self._file(word.value, Use.OUTPUT)
            else:
                yield from self._value(word.value, options.name_of(self._arguments[word.option]))

    def _file(self, index: int, use: Use) -> Iterator[Place]:
        source = Plain(self._arguments[index])
        chosen, self._format = self._format, b""
        if chosen == b"lavfi":
            yield from _graph(index, source)
        elif chosen == b"tee" and use is Use.OUTPUT:
            yield from _tee(index, source)
        elif not (use is Use.OUTPUT and chosen in options.NO_FILES):
            yield from _addresses(index, source, use)

    def _value(self, index: int, name: bytes) -> Iterator[Place]:
        value = self._arguments[index]
        if name == b"i":
            yield from self._file(index, Use.READ)
        elif name == b"f":
            self._format = value
        elif name in options.GRAPHS:
            yield from _graph(index, Plain(value))
        elif name in options.TEXTS:
            return
        elif options.is_pairs(name):
            yield from _pairs(index, Plain(value))
        elif name in options.OUTPUTS:
            yield from _addresses(index, Plain(value), Use.OUTPUT)
        else:
            reads = name in options.READS or name.startswith(b"/")
            yield from _addresses(index, Plain(value), Use.READ if reads else Use.OPTION)


def _addresses(argument: int, source: Plain | Token, use: Use, start: int = 0) -> Iterator[Place]:
    """The paths in what FFmpeg opens, ffmpeg-protocols(1): behind `file:`, each part of `concat:a|b`."""
    text = source.text
    if not text.startswith(_CONCAT, start):
        yield from _address(argument, source, use, start, len(text), b"")
        return
    start += len(_CONCAT)
    # The concat protocol knows no escape for its separator: a part ends at every '|'.
    for part in text[start:].split(b"|"):
        yield from _address(argument, source, use, start, start + len(part), b"|")
        start += len(part) + 1


def _address(
    argument: int, source: Plain | Token, use: Use, start: int, end: int, forbidden: bytes
) -> Iterator[Place]:
    wrapped = _WRAPPERS.match(source.text, start, end)
    if wrapped is not None:
        start = wrapped.end()
    if start < end:
        yield Place(argument, source.text[start:end], source.offset(start), use, source, start, forbidden)


def _pairs(argument: int, source: Plain | Token) -> Iterator[Place]:
    for key, value, _ in key_values(source):
        if key not in options.TEXTS:
            yield from _addresses(argument, value, Use.OPTION)


def _tee(argument: int, source: Plain) -> Iterator[Place]:
    """The outputs of the tee muxer: `[key=value:…]address|…`, ffmpeg-formats(1)."""
    position = 0
    while position < len(source.text):
        output, position = token(source, position, b"|")
        position += 1
        address = 0
        if output.text.startswith(b"["):
            for key, value, end in key_values(output, 1, b":]"):
                if key not in options.TEXTS:
                    yield from _addresses(argument, value, Use.OPTION)
                address = end + 1
                if output.text[end : end + 1] == b"]":
                    break
        yield from _addresses(argument, output, Use.OUTPUT, address)


def _graph(argument: int, source: Plain) -> Iterator[Place]:
    """The paths in a filter graph: `[in]name=options[out],…;…`, ffmpeg-filters(1)."""
    text = source.text
    # Most graphs name no file, and reading one byte by byte takes its time.
    if b"/" not in text and b"$" not in text and b"." not in text:
        return
    for name, values in filters_in(source):
        if values is not None:
            yield from _filter(argument, name, values)


def _filter(argument: int, name: bytes, values: Token) -> Iterator[Place]:
    unnamed = 0
    for key, value, _ in key_values(values):
        option: bytes | int = key if key is not None else unnamed
        unnamed += key is None
        if (name, option) in options.FILTER_TEXTS:
            continue
        if name == b"libvmaf" and option == b"model":
            for part in _split(value):
                yield from _pairs(argument, part)
            continue
        yield from _addresses(argument, value, _use(name, option))


def _use(name: bytes, option: bytes | int) -> Use:
    if option in options.FILTER_WRITES or (name, option) in options.FILTER_WRITES_OF:
        return Use.WRITTEN
    if name in options.FILE_FILTERS and option in options.FILE_FILTERS_OPTIONS:
        return Use.READ
    return Use.FILTER


def _split(value: Token) -> Iterator[Token]:
    # Models stand side by side between '|', and no quoting is known at that level.
    start = 0
    for part in value.text.split(b"|"):
        end = start + len(part)
        yield Token(part, value, [*range(start, end + 1)], bytearray(len(part)), b"")
        start = end + 1
