"""What ffmpeg prints of itself (`-encoders`, `-filters`, …), read into names. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from dffmpeg.model.abilities import Abilities

_FFMPEG = re.compile(r"ff(?:mpeg|probe|play) version ")
_LINE_WIDTH = 200
_SEPARATOR = re.compile(r" ?(-{2,})\s*")
_CODER = re.compile(r" ([VASDT.][F.][S.][X.][B.][D.]) ([^\s=]+)(?:\s|$)")
_CODEC = re.compile(r" ([D.])([E.])[VASDT.][I.][L.][S.] (\S+)")
_FILTER = re.compile(r" [T.][S.][C.]? (\S+)\s+[AVNDS|]+->[AVNDS|]+(?:\s|$)")
_CODERS = re.compile(r"\((decoders|encoders): ([^)]*)\)")
_NAME = re.compile(r"[A-Za-z0-9_.+-]+")


@dataclass(frozen=True, slots=True)
class Coder:
    """A line of `-encoders` or `-decoders`."""

    name: str
    audio: bool = False
    experimental: bool = False


@dataclass(frozen=True, slots=True)
class Codec:
    """A line of `-codecs`: what stands for it, in the order in which ffmpeg looks for one."""

    name: str
    decoders: tuple[str, ...]
    encoders: tuple[str, ...]


def version(text: str) -> str | None:
    """The first line of `-version`; None of a program that is none of FFmpeg's."""
    first = text.partition("\n")[0].strip()
    return first[:_LINE_WIDTH] if _FFMPEG.match(first) else None


def coders(text: str) -> tuple[Coder, ...]:
    """What `-encoders` or `-decoders` lists."""
    return tuple(
        Coder(line[2], line[1][0] == "A", line[1][3] == "X")
        for line in map(_CODER.match, text.splitlines())
        if line is not None
    )


def codecs(text: str) -> tuple[Codec, ...]:
    """What `-codecs` lists."""
    found = []
    for line in text.splitlines():
        head = _CODEC.match(line)
        if head is None or head[3] == "=":
            continue
        named = {kind: tuple(names.split()) for kind, names in _CODERS.findall(line)}
        decodes, encodes, name = head[1] == "D", head[2] == "E", head[3]
        # Without a list there is one coder, which has the codec's own name.
        found.append(
            Codec(
                name,
                named.get("decoders", (name,) if decodes else ()),
                named.get("encoders", (name,) if encodes else ()),
            )
        )
    return tuple(found)


def filters(text: str) -> tuple[str, ...]:
    """What `-filters` lists."""
    return _sorted(line[1] for line in map(_FILTER.match, text.splitlines()) if line is not None)


def formats(text: str) -> tuple[str, ...]:
    """What `-muxers` or `-demuxers` lists; of a format with several names each."""
    names: list[str] = []
    width = 0
    for line in text.splitlines():
        separator = _SEPARATOR.fullmatch(line)
        if separator is not None:
            width = len(separator[1])
        elif width and line[1 + width :].split():
            names += line[1 + width :].split()[0].lower().split(",")
    return _sorted(name for name in names if name)


def protocols(text: str) -> tuple[str, ...]:
    """What `-protocols` lists, for reading or for writing."""
    lines = (line.strip() for line in text.splitlines() if line.startswith(" "))
    return _sorted(line for line in lines if _NAME.fullmatch(line))


def hwaccels(text: str) -> tuple[str, ...]:
    """What `-hwaccels` lists."""
    lines = (line.strip() for line in text.splitlines())
    return _sorted(line for line in lines if _NAME.fullmatch(line))


def abilities(listed: Mapping[str, str], tried: Mapping[str, bool] | None = None) -> Abilities:
    """What a program can do.

    Args:
        listed: option without its dash to what the program printed on it; `version` at least.
        tried: encoder or hardware accelerator to whether it works. One that has to be tried and is not
            in here is left out, and the result is not complete.
    """
    verdicts = tried or {}
    encoders = coders(listed.get("encoders", ""))
    accelerators = hwaccels(listed.get("hwaccels", ""))
    to_try = {*(one.name for one in encoders if is_hardware(one.name)), *accelerators}
    lost = {name for name in to_try if verdicts.get(name) is False}
    withheld = {name for name in to_try if not verdicts.get(name, False)}
    working = [one for one in encoders if one.name not in withheld]
    decoders = coders(listed.get("decoders", ""))
    stranded = {one.name for one in decoders if _device(one.name) in withheld}
    lost |= {name for name in stranded if _device(name) in lost}
    usable = [one for one in decoders if one.name not in stranded]
    known = codecs(listed.get("codecs", ""))
    return Abilities(
        version=version(listed.get("version", "")) or "",
        encoders=_sorted(one.name for one in working),
        decoders=_sorted(one.name for one in usable),
        filters=filters(listed.get("filters", "")),
        hwaccels=_sorted(name for name in accelerators if name not in withheld),
        muxers=formats(listed.get("muxers", "")),
        demuxers=formats(listed.get("demuxers", "")),
        protocols=protocols(listed.get("protocols", "")),
        broken=_sorted(lost),
        encodable=_sorted(
            one.name for one in known if chosen(one.encoders, encoders) in {w.name for w in working}
        ),
        decodable=_sorted(
            one.name for one in known if chosen(one.decoders, decoders) in {u.name for u in usable}
        ),
        complete=to_try <= verdicts.keys(),
    )


HARDWARE = (
    *("nvenc", "qsv", "vaapi", "amf", "videotoolbox", "v4l2m2m", "mf", "omx", "vulkan", "rkmpp"),
    *("d3d12va", "mediacodec", "mmal", "nvmpi", "vpe"),
)
"""How the names of encoders end that need more than a processor."""


def is_hardware(encoder: str) -> bool:
    """Whether an encoder may be listed and not work, by its name."""
    return encoder.rpartition("_")[2] in HARDWARE and "_" in encoder


_DECODER_DEVICES = {"cuvid": "cuda", "qsv": "qsv"}


def _device(decoder: str) -> str | None:
    """The hardware accelerator without which a decoder cannot work."""
    return _DECODER_DEVICES.get(decoder.rpartition("_")[2])


def chosen(names: tuple[str, ...], listed: Collection[Coder]) -> str | None:
    """Which coder ffmpeg takes for a codec: the first that is not experimental, else the first."""
    experimental = {one.name for one in listed if one.experimental}
    return next((name for name in names if name not in experimental), names[0] if names else None)


def _sorted(names: Iterator[str] | Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
