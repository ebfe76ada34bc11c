"""A worker's own encoders in place of those that a job asks for. Pure.

`h264_qsv = "h264_nvenc"` lets a command line that was written for one kind of hardware run on another:
wherever an output names the first, the second is written, and its options are translated with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dffmpeg.model.abilities import Abilities
from dffmpeg.model.paths.options import name_of
from dffmpeg.model.paths.words import Word, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """What stands in for an encoder, and how its options are written then.

    Attributes:
        use: the encoder that stands in.
        options: an option's name to the name that it gets; to an empty one where it is left out.
        values: an option's name, as the caller wrote it, to its values: old to new.
    """

    use: str
    options: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def stand_ins(
    encoders: Iterable[str], abilities: Abilities | None, substitutes: Mapping[str, str]
) -> dict[str, str]:
    """Which of a job's encoders others stand in for on a worker: those that do not work there themselves.

    Args:
        abilities: of the worker's program; None where nothing is known, and nothing is substituted.
        substitutes: the worker's, encoder to encoder.
    """
    if abilities is None:
        return {}
    return {
        name: substitutes[name]
        for name in encoders
        if name in substitutes and not abilities.encodes(name) and abilities.encodes(substitutes[name])
    }


def substituted(arguments: Sequence[bytes], substitutions: Mapping[str, Substitution]) -> tuple[bytes, ...]:
    """A command line of ffmpeg with other encoders.

    Only options of an output whose encoder is replaced are changed, and of these only those that may be
    meant for its stream.

    Args:
        arguments: without the program's name.
        substitutions: by the encoder that is replaced.
    """
    by_name = {name.encode(): one for name, one in substitutions.items()}
    result: list[bytes | None] = list(arguments)
    waiting: list[Word] = []
    for word in words(arguments):
        if word.option is None:
            _rewrite(arguments, waiting, by_name, result)
            waiting = []
        elif name_of(arguments[word.option]) in (b"i", b"dec"):
            # What stood in front of it is an input's.
            waiting = []
        elif word.value is not None:
            waiting.append(word)
    return tuple(argument for argument in result if argument is not None)


_CODECS = {b"c": b"", b"codec": b"", b"vcodec": b"v", b"acodec": b"a", b"scodec": b"s"}


def _rewrite(
    arguments: Sequence[bytes],
    options: Sequence[Word],
    substitutions: Mapping[bytes, Substitution],
    result: list[bytes | None],
) -> None:
    """Change the options of one output in `result`."""
    for word in options:
        name, stream = _split(arguments, word)
        if name not in _CODECS or word.value is None:
            continue
        substitution = substitutions.get(arguments[word.value])
        if substitution is None:
            continue
        result[word.value] = substitution.use.encode()
        meant = _CODECS[name] or stream
        for other in options:
            if other is not word and _overlap(_split(arguments, other)[1], meant):
                _translate(arguments, other, substitution, result)


def _translate(
    arguments: Sequence[bytes], word: Word, substitution: Substitution, result: list[bytes | None]
) -> None:
    assert word.option is not None
    assert word.value is not None
    argument, value = arguments[word.option], arguments[word.value]
    name = name_of(argument)
    text = name.decode("utf-8", "surrogateescape")
    values = substitution.values.get(text, {})
    known = value.decode("utf-8", "surrogateescape")
    if known in values:
        result[word.value] = values[known].encode("utf-8", "surrogateescape")
    if text in substitution.options:
        new = substitution.options[text]
        result[word.option] = b"-" + new.encode() + argument[1 + len(name) :] if new else None
        if not new:
            result[word.value] = None


def _split(arguments: Sequence[bytes], word: Word) -> tuple[bytes, bytes]:
    """An option's name and its stream specifier."""
    assert word.option is not None
    name, _, stream = arguments[word.option][1:].partition(b":")
    return name, stream


def _overlap(one: bytes, other: bytes) -> bool:
    """Whether two stream specifiers may mean the same stream, as far as their beginnings tell."""
    parts, others = one.lower().split(b":"), other.lower().split(b":")
    if not one or not other:
        return True
    return all(mine == theirs for mine, theirs in zip(parts, others, strict=False))
