"""What the programs of a worker can do."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """Of one program, as probing it found. Names as ffmpeg lists them; each a sorted tuple.

    Of a kind for which nothing is listed at all, nothing is known, except of `hwaccels`.

    Attributes:
        version: the first line of `-version`.
        encoders: those that work: hardware encoders were tried.
        broken: encoders, hardware accelerators and their decoders that are listed and do not work here.
        encodable: codecs that may stand for an encoder, because the one that ffmpeg takes for it works.
        decodable: the same of decoders.
        complete: whether everything was tried; what is missing before that may come yet.
    """

    version: str = ""
    encoders: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    hwaccels: tuple[str, ...] = ()
    muxers: tuple[str, ...] = ()
    demuxers: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    encodable: tuple[str, ...] = ()
    decodable: tuple[str, ...] = ()
    complete: bool = True

    def encodes(self, name: str) -> bool:
        """Whether `-c NAME` of an output works: the name of an encoder, or of a codec."""
        if contains(self.encoders, name):
            return True
        if contains(self.broken, name):
            return False
        return contains(self.encodable, name) or not (self.encoders or self.broken)

    def decodes(self, name: str) -> bool:
        """The same of an input."""
        return not self.decoders or contains(self.decoders, name) or contains(self.decodable, name)

    def lacks(self, kind: str, name: str) -> bool:
        """Whether a filter, muxer, … is certainly not there.

        Args:
            kind: a field of this class.
        """
        listed: tuple[str, ...] = getattr(self, kind)
        return (bool(listed) or kind == "hwaccels") and not contains(listed, name)


UNTRIED = Abilities(complete=False)
"""Of a program of which nothing is known yet."""


def contains(names: Sequence[str], name: str) -> bool:
    """Whether a name is in a sorted sequence; these are long, and asked for each pair of job and worker."""
    place = bisect_left(names, name)
    return place < len(names) and names[place] == name


def ordered(abilities: Abilities) -> Abilities:
    """The same with every list sorted and without repetitions, as others rely on it."""
    lists: dict[str, Any] = {
        name: tuple(sorted(set(value)))
        for name in abilities.__dataclass_fields__
        if isinstance(value := getattr(abilities, name), tuple)
    }
    return replace(abilities, **lists)


def without_protocols(abilities: Abilities, withheld: Collection[str]) -> Abilities:
    """The same without some of its protocols."""
    if not withheld:
        return abilities
    return replace(abilities, protocols=tuple(one for one in abilities.protocols if one not in withheld))


def digest(abilities: Mapping[str, Abilities]) -> str:
    """A short name for exactly these abilities, by program."""
    text = repr(sorted((name, astuple(one)) for name, one in abilities.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
