"""What a job needs of the worker that runs it, and how that follows from its command line. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from dffmpeg.model.paths.graphs import filters_in
from dffmpeg.model.paths.options import GRAPHS, NO_FILES, name_of
from dffmpeg.model.paths.outputs import outputs_of, variables_written
from dffmpeg.model.paths.spelling import Plain
from dffmpeg.model.paths.words import words


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Names as ffmpeg writes them; each a sorted tuple without repetitions.

    Attributes:
        encoders, decoders: names of coders, or of codecs where any coder will do.
        labels: of the worker.
        declared: resources that the worker has to declare.
        writes: path variables whose directories it changes.
        resources: how many slots of each named resource it takes, besides one of the worker's own, where
            the worker declares that resource.
    """

    encoders: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    hwaccels: tuple[str, ...] = ()
    muxers: tuple[str, ...] = ()
    demuxers: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    resources: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...]:
        """The same for equal needs, and hashable."""
        return (*(getattr(self, kind) for kind in LISTS), tuple(sorted(self.resources.items())))


LISTS = tuple(one.name for one in fields(Needs) if one.name != "resources")
"""The fields that hold names."""


def merged(one: Needs, other: Needs) -> Needs:
    """What both need; of a resource the larger number."""
    names: dict[str, Any] = {kind: _sorted((*getattr(one, kind), *getattr(other, kind))) for kind in LISTS}
    resources = {
        name: max(one.resources.get(name, 0), other.resources.get(name, 0))
        for name in sorted({*one.resources, *other.resources})
    }
    return Needs(**names, resources=resources)


def derive(binary_name: str, arguments: Sequence[bytes]) -> Needs:
    """What a command line asks of FFmpeg.

    What is not understood makes no need: a job is never kept from where it would run.

    Args:
        binary_name: what has `ffprobe` in it is read as that, what has `ffmpeg` in it as ffmpeg's, and
            others need nothing.
        arguments: without the program's name; directories may be variables.
    """
    if "ffprobe" in binary_name:
        return _Reader(arguments, probes=True).needs()
    return _Reader(arguments).needs() if "ffmpeg" in binary_name else Needs()


def written(
    binary_name: str,
    arguments: Sequence[bytes],
    names: Collection[str],
    working_directory: bytes | None = None,
) -> Needs:
    """The directories in which a command line's outputs are.

    Args:
        names: the path variables that its sender says it used.
        working_directory: in the form that travels.
    """
    outputs = outputs_of(binary_name, arguments)
    return Needs(writes=variables_written(outputs, names, working_directory))


_CODECS = {b"c": b"", b"codec": b"", b"vcodec": b"v", b"acodec": b"a", b"scodec": b"s"}
_FILTERS = {b"filter": b"", b"vf": b"v", b"af": b"a"}
"""Options that go by stream, and the type of stream that they mean; without one it follows a colon."""

_WHOLE_GRAPHS = GRAPHS - _FILTERS.keys()
_LEFT_OUT = {b"vn": b"v", b"an": b"a", b"sn": b"s", b"dn": b"d"}

_DEVICE_OPTIONS = {b"vaapi_device": "vaapi", b"qsv_device": "qsv"}
_ACCELERATORS = {"cuvid": "cuda", "nvdec": "cuda"}
"""Older names that ffmpeg itself translates."""

_NO_ACCELERATOR = frozenset(("auto", "none", "list"))

PROTOCOLS = frozenset(
    b"""
    amqp async bluray cache concat concatf crypto data dtls fd ffrtmpcrypt ffrtmphttp file ftp gopher gophers
    hls http httpproxy https icecast ipfs ipns md5 mmsh mmst pipe prompeg rist rtmp rtmpe rtmps rtmpt rtmpte
    rtmpts rtp sctp sftp smb srt srtp subfile tcp tee tls udp udplite unix zmq
    """.split()
)
"""Those of ffmpeg-protocols(1). Other words before a colon are demuxers', devices', or a part of a name."""

_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_SCHEME = re.compile(rb"([a-z][a-z0-9]*)(?:\+[a-z0-9]+)?[:,]")


class _Reader:
    """One pass over a command line; options wait for the file that they belong to."""

    def __init__(self, arguments: Sequence[bytes], *, probes: bool = False) -> None:
        self._arguments = arguments
        self._probes = probes
        self._found: dict[str, set[str]] = {kind: set() for kind in LISTS}
        self._waiting = _Options()

    def needs(self) -> Needs:
        for word in words(self._arguments):
            option = b"" if word.option is None else self._arguments[word.option]
            if word.value is None:
                self._waiting.flags.add(name_of(option))
            elif word.option is None:
                self._file(self._arguments[word.value], reads=self._probes)
            else:
                self._option(option, self._arguments[word.value])
        found: dict[str, Any] = {kind: _sorted(names) for kind, names in self._found.items()}
        return Needs(**found)

    def _option(self, option: bytes, value: bytes) -> None:
        name, _, stream = option[1:].partition(b":")
        if name == b"i":
            self._file(value, reads=True)
        elif name == b"f":
            self._waiting.format = value.lower()
        elif name == b"dec":
            # A decoder of what was encoded; what stands in front of it is its own.
            self._waiting = _Options()
        elif not self._probes:
            self._encoding(name, stream, value)

    def _encoding(self, name: bytes, stream: bytes, value: bytes) -> None:
        """An option that ffmpeg has and ffprobe has not."""
        if name in _CODECS:
            self._waiting.codecs[_CODECS[name] or stream] = value
        elif name in _FILTERS:
            self._waiting.graphs[_FILTERS[name] or stream] = value
        elif name in _WHOLE_GRAPHS:
            self._graph(value)
        elif name == b"hwaccel":
            self._waiting.hwaccels[stream] = value
        elif name == b"init_hw_device":
            self._accelerator(re.split(rb"[=:@,]", value)[0])
        elif name in _DEVICE_OPTIONS:
            self._found["hwaccels"].add(_DEVICE_OPTIONS[name])

    def _file(self, name: bytes, *, reads: bool) -> None:
        own, self._waiting = self._waiting, _Options()
        left_out = {_LEFT_OUT[flag] for flag in own.flags if flag in _LEFT_OUT}
        self._add("demuxers" if reads else "muxers", own.format)
        for stream, codec in own.codecs.items():
            if codec != b"copy" and stream[:1].lower() not in left_out:
                self._add("decoders" if reads else "encoders", codec)
        for stream, graph in own.graphs.items():
            if stream[:1].lower() not in left_out:
                self._graph(graph)
        for accelerator in own.hwaccels.values():
            self._accelerator(accelerator)
        if own.format == b"lavfi" and reads:
            self._graph(name)
        elif own.format not in NO_FILES:
            scheme = _SCHEME.match(name)
            if scheme is not None and scheme[1] in PROTOCOLS:
                self._add("protocols", scheme[1])

    def _graph(self, text: bytes) -> None:
        for name, values in filters_in(Plain(text)):
            # In front of a graph may stand what its scalers get.
            if name != b"sws_flags" or values is None:
                self._add("filters", name)

    def _accelerator(self, value: bytes) -> None:
        name = value.decode("ascii", "replace")
        if name not in _NO_ACCELERATOR:
            self._add("hwaccels", _ACCELERATORS.get(name, name).encode("ascii", "replace"))

    def _add(self, kind: str, name: bytes) -> None:
        if _NAME.fullmatch(name):
            self._found[kind].add(name.decode("ascii"))


class _Options:
    """Options of one file. By stream the last one counts."""

    def __init__(self) -> None:
        self.format = b""
        self.flags: set[bytes] = set()
        self.codecs: dict[bytes, bytes] = {}
        self.graphs: dict[bytes, bytes] = {}
        self.hwaccels: dict[bytes, bytes] = {}


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
