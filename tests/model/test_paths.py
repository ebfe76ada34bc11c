"""Path variables: what is mapped in a single argument, and which mappings are valid."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from dffmpeg.model import paths
from dffmpeg.model.paths import PathError

HERE = {
    "Media": b"/mnt/media",
    "Movies": b"/mnt/media/movies",
    "tv-2.0_x": b"/srv/tv",
    "Bar": b"/srv/a|b",
    "Latin": b"/srv/caf\xe9",
}


def to_variables(argument: bytes) -> tuple[bytes, frozenset[str]]:
    variables, names = paths.arguments_to_variables([argument], HERE)
    return variables[0], names


def to_directories(argument: bytes, names: Collection[str], directories: Mapping[str, bytes] = HERE) -> bytes:
    return paths.arguments_to_directories([argument], directories, names)[0]


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
    assert to_variables(argument) == (expected, frozenset(names))
    assert to_directories(expected, names) == argument


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
    assert to_directories(argument, names) == expected


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
        to_directories(argument, {"Movies", "Gone", "Bar"})


def test_the_other_machine() -> None:
    there = {"Movies": b"/data/films"}
    sent, names = to_variables(b"concat:/mnt/media/movies/a|$x")
    assert to_directories(sent, names, there) == b"concat:/data/films/a|$x"


def test_a_path_by_itself() -> None:
    assert paths.path_to_variable(b"-/mnt/media", HERE) == (b"-/mnt/media", frozenset())
    assert paths.path_to_variable(b"/mnt/media", HERE) == (b"$Media", frozenset({"Media"}))
    assert paths.path_to_variable(b"", HERE) == (b"", frozenset())
    assert paths.path_to_directory(b"$Media", HERE, {"Media"}) == b"/mnt/media"


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
