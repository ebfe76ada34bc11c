"""Path variables: tables of what is mapped, and that mapping is undone exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model import paths
from dffmpeg.model.paths import PathError

HERE = {
    "Media": b"/mnt/media",
    "Movies": b"/mnt/media/movies",
    "tv-2.0_x": b"/srv/tv",
    "Bar": b"/srv/a|b",
    "Latin": b"/srv/caf\xe9",
}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"", [(0, 0)]),
        (b"a.mkv", [(0, 5)]),
        (b"-", []),
        (b"-i", []),
        (b"-/mnt/media", []),
        (b"file:", [(5, 5)]),
        (b"file:/a", [(5, 7)]),
        (b"file:file:/a", [(5, 12)]),
        (b"concat:", [(7, 7)]),
        (b"concat:/a|/b", [(7, 9), (10, 12)]),
        (b"concat:/a||", [(7, 9), (10, 10), (11, 11)]),
        (b"concat:file:/a|/b", [(12, 14), (15, 17)]),
        (b"/a|/b", [(0, 5)]),
    ],
)
def test_spans(argument: bytes, expected: list[tuple[int, int]]) -> None:
    assert paths.spans(argument) == expected


@pytest.mark.parametrize(
    ("argument", "expected", "names"),
    [
        (b"/mnt/media/movies/a.mkv", b"$Movies/a.mkv", {"Movies"}),
        (b"/mnt/media/movies", b"$Movies", {"Movies"}),
        (b"/mnt/media/movies/", b"$Movies/", {"Movies"}),
        (b"/mnt/media/movies//a", b"$Movies//a", {"Movies"}),
        (b"/mnt/media/movies2/a", b"$Media/movies2/a", {"Media"}),
        (b"/mnt/mediathek/a", b"/mnt/mediathek/a", set()),
        (b"/mnt/media/show.mkv", b"$Media/show.mkv", {"Media"}),
        (b"/mnt", b"/mnt", set()),
        (b"mnt/media/a", b"mnt/media/a", set()),
        (b"-/mnt/media/a", b"-/mnt/media/a", set()),
        (b"/srv/tv/x", b"$tv-2.0_x/x", {"tv-2.0_x"}),
        (b"/srv/caf\xe9/\xff.mkv", b"$Latin/\xff.mkv", {"Latin"}),
        (b"/srv/a|b/c", b"$Bar/c", {"Bar"}),
        (b"file:/mnt/media/a", b"file:$Media/a", {"Media"}),
        (b"concat:/mnt/media/a|/srv/tv/b|c", b"concat:$Media/a|$tv-2.0_x/b|c", {"Media", "tv-2.0_x"}),
        (b"concat:file:/mnt/media/a|/x", b"concat:file:$Media/a|/x", {"Media"}),
        (b"concat:/srv/a|b/c", b"concat:/srv/a|b/c", set()),
        (b"$Media/a", b"$$Media/a", set()),
        (b"$$", b"$$$", set()),
        (b"a$b", b"a$b", set()),
        (b"file:$x", b"file:$$x", set()),
        (b"concat:$x|/mnt/media|$", b"concat:$$x|$Media|$$", {"Media"}),
        # What leaves the longest directory may still be inside a shorter one.
        (b"/mnt/media/movies/../a", b"$Media/movies/../a", {"Media"}),
        (b"/mnt/media/../a", b"/mnt/media/../a", set()),
        (b"/mnt/media/movies/x/../a", b"$Movies/x/../a", {"Movies"}),
        (b"/mnt/media/movies/..a", b"$Movies/..a", {"Movies"}),
    ],
)
def test_to_variables(argument: bytes, expected: bytes, names: set[str]) -> None:
    assert paths.to_variables(argument, HERE) == (expected, frozenset(names))
    assert paths.to_directories(expected, HERE, names) == argument


@pytest.mark.parametrize(
    ("argument", "names", "expected"),
    [
        (b"$Movies/a", {"Movies"}, b"/mnt/media/movies/a"),
        (b"$Movies", {"Movies"}, b"/mnt/media/movies"),
        (b"$Movies/", {"Movies"}, b"/mnt/media/movies/"),
        (b"$Movies/a/./../b", {"Movies"}, b"/mnt/media/movies/a/./../b"),
        # A sender that does not know of doubling means these literally.
        (b"$Movies/a", set(), b"$Movies/a"),
        (b"$Other/a", {"Movies"}, b"$Other/a"),
        (b"$Movies2/a", {"Movies"}, b"$Movies2/a"),
        (b"$\xff/a", {"Movies"}, b"$\xff/a"),
        (b"$", {"Movies"}, b"$"),
        (b"-$Movies/a", {"Movies"}, b"-$Movies/a"),
        (b"x$Movies/a", {"Movies"}, b"x$Movies/a"),
    ],
)
def test_to_directories(argument: bytes, names: set[str], expected: bytes) -> None:
    assert paths.to_directories(argument, HERE, names) == expected


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        (b"$Movies/..", "leaves its directory"),
        (b"$Movies/../../../etc/passwd", "leaves its directory"),
        (b"$Movies/a/../../movies/b", "leaves its directory"),
        (b"$Movies//../x", "leaves its directory"),
        (b"$Movies/./../x", "leaves its directory"),
        (b"file:$Movies/../x", "leaves its directory"),
        (b"concat:$Movies/a|$Movies/../x", "leaves its directory"),
        (b"$Gone/a", r"\$Gone is not mapped here"),
        (b"concat:$Bar/a", "cannot stand in concat:"),
    ],
)
def test_refused(argument: bytes, text: str) -> None:
    with pytest.raises(PathError, match=text):
        paths.to_directories(argument, HERE, {"Movies", "Gone", "Bar"})


def test_the_other_machine() -> None:
    there = {"Movies": b"/data/films"}
    sent, names = paths.to_variables(b"concat:/mnt/media/movies/a|$x", HERE)
    assert paths.to_directories(sent, there, names) == b"concat:/data/films/a|$x"


# Arguments put together from what matters, beside arbitrary bytes.
_pieces = st.sampled_from(
    [b"$", b"$$", b"/", b"..", b".", b"|", b"file:", b"concat:", b"-", b"$Media", b"a", *HERE.values()]
)
_arguments = st.binary() | st.lists(_pieces | st.binary(max_size=2), max_size=10).map(b"".join)


@given(_arguments, st.sets(st.sampled_from(sorted(HERE))))
def test_mapping_and_resolving_is_the_identity(argument: bytes, also: set[str]) -> None:
    sent, names = paths.to_variables(argument, HERE)
    assert paths.to_directories(sent, HERE, names | also) == argument
    assert names <= set(HERE)


@given(_arguments)
def test_resolving_never_leaves_the_directory(argument: bytes) -> None:
    there = {name: b"/worker/" + name.encode() for name in HERE}
    try:
        result = paths.to_directories(argument, there, set(HERE))
    except PathError:
        return
    for start, end in paths.spans(result):
        below = result[start:end].partition(b"/worker/")[2]
        depth = 0
        for component in below.split(b"/")[1:]:
            depth += {b"..": -1, b".": 0, b"": 0}.get(component, 1)
            assert depth >= 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/mnt/media", b"/mnt/media"),
        ("/mnt/media/", b"/mnt/media"),
        ("//mnt///media//", b"/mnt/media"),
        ("/mnt/caf\udce9", b"/mnt/caf\xe9"),
        ("/mnt/ü", "/mnt/ü".encode()),
    ],
)
def test_validated(text: str, expected: bytes) -> None:
    assert paths.validated({"A": text}) == {"A": expected}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("A", "/", "root directory"),
        ("A", "///", "root directory"),
        ("A", "", "absolute"),
        ("A", "media", "absolute"),
        ("A", "~/media", "absolute"),
        ("A", "/mnt/../etc", "component"),
        ("A", "/mnt/./x", "component"),
        ("A", "/mnt/a\0b", "NUL"),
        ("", "/mnt", "a name holds"),
        ("a b", "/mnt", "a name holds"),
        ("a/b", "/mnt", "a name holds"),
        (".a", "/mnt", "a name holds"),
        ("-a", "/mnt", "a name holds"),
        ("ü", "/mnt", "a name holds"),
        ("a" * 129, "/mnt", "a name holds"),
    ],
)
def test_validation_refuses(name: str, text: str, message: str) -> None:
    with pytest.raises(PathError, match=message):
        paths.validated({name: text})
