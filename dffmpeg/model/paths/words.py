"""A command line of ffmpeg or ffprobe, cut into options and files as the programs themselves do it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dffmpeg.model.paths.options import is_flag, name_of


@dataclass(frozen=True, slots=True)
class Word:
    """An option with its value, a flag, or a file.

    Attributes:
        option: the index of the option's argument; None is the name of a file: an output, or ffprobe's input.
        value: the index of the value, or of the file's name; None is a flag, or an option at the very end.
    """

    option: int | None
    value: int | None


def words(arguments: Sequence[bytes]) -> Iterator[Word]:
    """The options and files of a command line, in order.

    Args:
        arguments: without the program's name.
    """
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        is_file = not argument.startswith(b"-") or argument == b"-"
        if argument == b"--" and index + 1 < len(arguments):
            index, is_file = index + 1, True
        if is_file:
            yield Word(None, index)
        elif not is_flag(name_of(argument)) and index + 1 < len(arguments):
            yield Word(index, index + 1)
            index += 1
        else:
            yield Word(index, None)
        index += 1
