"""What is fuzzed: a function of some bytes each, which raises where a property does not hold.

An error that the code under test documents is an answer; any other exception is a finding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

from dffmpeg.errors import BadInput
from dffmpeg.model.paths import (
    PathError,
    PrintedPaths,
    arguments_to_directories,
    arguments_to_variables,
    places_in,
    report_to_directories,
    report_to_variables,
    validated,
)
from dffmpeg.model.progress import ProgressParser
from dffmpeg.web import proxy_protocol
from dffmpeg.wire import control, forwarding, frames, signature
from dffmpeg.wire.signature import SignatureError

Target = Callable[[bytes], None]

DIRECTORIES = validated(
    {
        "Movies": "/mnt/media/movies",
        "Media": "/mnt/media",
        "Odd": "/srv/it's [odd], a:b;c\\d",
        "Bar": "/srv/a|b",
        "Bytes": "/srv/\udcff\udc80",
        "M": "/m",
    }
)
"""Those of a client: nested ones, and every byte that means something to ffmpeg."""


def require(holds: bool, what: str) -> None:
    """Raise AssertionError also where Python leaves `assert` out."""
    if not holds:
        raise AssertionError(what)


def signature_headers(data: bytes) -> None:
    """The headers of a signed request, one a line: a claim, or one line that says what is wrong."""
    headers: dict[str, str] = {}
    for line in data.split(b"\n"):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value
    with contextlib.suppress(SignatureError):
        signature.read_claim(headers)


def forwarded_header(data: bytes) -> None:
    """What a coordinator adds to a request: nobody without the key makes one."""
    key = forwarding.key_of("x" * 32)
    try:
        forwarding.opened(key, data.decode("latin-1"), "GET", b"/jobs", "signature")
    except SignatureError:
        return
    raise AssertionError("opened without the key")


def frame_decoder(data: bytes) -> None:
    """A body of frames: what is decoded is encoded to what is decoded to the same."""
    try:
        decoded = list(frames.decode_all(data))
    except BadInput:
        return
    again = b"".join(map(frames.encode, decoded))
    require(len(again) == len(data), "the frames are not as long as the body")
    require(list(frames.decode_all(again)) == decoded, "encoding changed the frames")


def control_records(data: bytes) -> None:
    """The stream of signals and sizes: the same, of the types that are known."""
    try:
        decoded = list(control.decode_all(data))
    except BadInput:
        return
    again = b"".join(map(control.encode, decoded))
    require(list(control.decode_all(again)) == decoded, "encoding changed the records")


def proxy_header(data: bytes) -> None:
    """What a load balancer begins with; a header that needs more bytes is not found in fewer."""
    try:
        found = proxy_protocol.parse(data)
    except proxy_protocol.MalformedHeader:
        return
    if found is not None:
        require(found.size <= len(data), "a header that is longer than what came")
        require(proxy_protocol.parse(data[: found.size]) == found, "what comes behind the header counted")


def path_mapper(data: bytes) -> None:
    """Arguments, with NUL bytes between: to variables and back is the identity."""
    _there_and_back(data.split(b"\0"))


def filter_escaping(data: bytes) -> None:
    """The same for a filter graph, a tee's outputs, and an option of pairs."""
    if b"\0" in data:
        return
    for before in ([b"-vf"], [b"-f", b"tee"], [b"-x264-params"], [b"-f", b"lavfi", b"-i"]):
        _there_and_back([*before, data])
    changed, used = report_to_variables(data, DIRECTORIES)
    require(report_to_directories(changed, DIRECTORIES, used) == data, "FFREPORT came back changed")


def _there_and_back(arguments: Sequence[bytes]) -> None:
    changed, used = arguments_to_variables(arguments, DIRECTORIES)
    require(arguments_to_directories(changed, DIRECTORIES, used) == list(arguments), "it came back changed")
    places = list(places_in(arguments))
    require(len(places) == len(list(places_in(changed))), "the variables changed which places there are")
    for place in places:
        require(0 <= place.start < len(arguments[place.argument]), "a place outside of its argument")


def path_resolver(data: bytes) -> None:
    """What somebody says are arguments with variables: directories of this machine, or an error.

    No place that began with a variable leads above the variable's directory.
    """
    arguments = data.split(b"\0")
    names = [*DIRECTORIES, "Unknown"]
    with contextlib.suppress(PathError):
        resolved = arguments_to_directories(arguments, DIRECTORIES, names)
        given, found = list(places_in(arguments)), list(places_in(resolved))
        if len(given) != len(found):
            # What no mapping has made may read as something else: a directory with `=` behind it as a key.
            return
        for before, after in zip(given, found, strict=True):
            name = before.path[1:].partition(b"/")[0].partition(b"~")[0].decode("latin-1")
            if before.path != after.path and before.path[:1] == b"$" and name in DIRECTORIES:
                depth = _lowest(after.path.removeprefix(DIRECTORIES[name]))
                require(depth >= 0, f"{after.path!r} leads out of {name}")


def _lowest(rest: bytes) -> int:
    depth = lowest = 0
    for component in rest.split(b"/"):
        depth += {b"..": -1, b"": 0, b".": 0}.get(component, 1)
        lowest = min(lowest, depth)
    return lowest


def printed_paths(data: bytes) -> None:
    """What a program prints: how it is cut into pieces changes nothing of what comes out."""
    there = {name: b"/there/" + name.encode() for name in DIRECTORIES}
    whole, pieces = PrintedPaths(DIRECTORIES, there), PrintedPaths(DIRECTORIES, there)
    expected = whole.feed(data) + whole.flush()
    step = 1 + (data[0] if data else 0) % 7
    found = b"".join(pieces.feed(data[start : start + step]) for start in range(0, len(data), step))
    require(found + pieces.flush() == expected, "the pieces gave something else")


def progress_lines(data: bytes) -> None:
    """What ffmpeg says of its progress, in whatever pieces."""
    parser = ProgressParser([b"-i", b"a.mkv", b"b.mkv"])
    for piece in data.split(b"\0"):
        parser.feed(piece)
        parser.read()


TARGETS: Mapping[str, Target] = {
    target.__name__: target
    for target in (
        signature_headers,
        forwarded_header,
        frame_decoder,
        control_records,
        proxy_header,
        path_mapper,
        path_resolver,
        filter_escaping,
        printed_paths,
        progress_lines,
    )
}
