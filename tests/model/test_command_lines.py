"""Paths in command lines: where ffmpeg takes one, with its escaping, and that mapping is undone exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model import paths
from dffmpeg.model.paths import PathError

HERE = {
    "M": b"/mnt/media",
    "Movies": b"/mnt/media/movies",
    "Quote": b"/srv/it's",
    "Odd": b"/srv/a:b [1], x;=",
    "Back": b"/srv/a\\b",
    "Bar": b"/srv/a|b",
    "Latin": b"/srv/caf\xe9",
}
THERE = {name: b"/w/" + name.encode() for name in HERE}
ODD = {name: b"/w/it's [" + name.encode() + b"]:,;=\\ x" for name in HERE}


def rewritten(*arguments: bytes) -> list[bytes]:
    variables, names = paths.arguments_to_variables(arguments, HERE)
    assert paths.arguments_to_directories(variables, HERE, names) == list(arguments)
    return paths.arguments_to_directories(variables, THERE, names)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Options that take a value, and those that take none.
        (b"-i /mnt/media/a -c copy /mnt/media/movies/b", b"-i /w/M/a -c copy /w/Movies/b"),
        (b"-y -i /mnt/media/a /mnt/media/b", b"-y -i /w/M/a /w/M/b"),
        (b"-passlogfile:v:0 /mnt/media/log", b"-passlogfile:v:0 /w/M/log"),
        (b"-hls_segment_filename /mnt/media/%03d.ts", b"-hls_segment_filename /w/M/%03d.ts"),
        (b"-progress file:/mnt/media/p", b"-progress file:/w/M/p"),
        (b"-/filter_complex /mnt/media/graph", b"-/filter_complex /w/M/graph"),
        (b"-dump_attachment:t /mnt/media/font -i /mnt/media/a", b"-dump_attachment:t /w/M/font -i /w/M/a"),
        (b"-f lavfi -f mp4 -i /mnt/media/a", b"-f lavfi -f mp4 -i /w/M/a"),
        (b"-y -- /mnt/media/b", b"-y -- /w/M/b"),
        # Text that only looks like a path.
        (b"-metadata /mnt/media/a", b"-metadata /mnt/media/a"),
        (b"-metadata:s:v title=/mnt/media/a", b"-metadata:s:v title=/mnt/media/a"),
        (b"-hls_base_url /mnt/media/", b"-hls_base_url /mnt/media/"),
        (b"-user_agent /mnt/media/", b"-user_agent /mnt/media/"),
        (b"-vf drawtext=text=/mnt/media/a", b"-vf drawtext=text=/mnt/media/a"),
        (b"-vf drawtext=/mnt/media/f:/mnt/media/a", b"-vf drawtext=/w/M/f:/mnt/media/a"),
        (b"-vf metadata=add:key:/mnt/media", b"-vf metadata=add:key:/mnt/media"),
        (b"-f null /mnt/media/a", b"-f null /mnt/media/a"),
        (b"-i http://host/mnt/media/a", b"-i http://host/mnt/media/a"),
        # Protocols.
        (b"-i cache:async:file:/mnt/media/a", b"-i cache:async:file:/w/M/a"),
        (b"-i crypto+file:/mnt/media/a", b"-i crypto+file:/w/M/a"),
        (b"-i hls+file:/mnt/media/a", b"-i hls+file:/w/M/a"),
        (b"-i concatf:/mnt/media/a", b"-i concatf:/w/M/a"),
        (b"-i subfile,,start,1,end,9,,:/mnt/media/a", b"-i subfile,,start,1,end,9,,:/w/M/a"),
        (b"-i concat:/mnt/media/a|cache:/mnt/media/b", b"-i concat:/w/M/a|cache:/w/M/b"),
        # Graphs.
        (b"-vf subtitles=/mnt/media/a.srt", b"-vf subtitles=/w/M/a.srt"),
        (b"-vf subtitles=f='/mnt/media/a':fontsdir=/mnt/media", b"-vf subtitles=f='/w/M/a':fontsdir=/w/M"),
        (b"-filter:v:0 scale=1:2,ass=/mnt/media/a", b"-filter:v:0 scale=1:2,ass=/w/M/a"),
        (b"-af arnndn=m=/mnt/media/a", b"-af arnndn=m=/w/M/a"),
        (
            b"-filter_complex [0:v]lut3d@x=/mnt/media/l[a];movie=/mnt/media/m[b];[a][b]overlay",
            b"-filter_complex [0:v]lut3d@x=/w/M/l[a];movie=/w/M/m[b];[a][b]overlay",
        ),
        (b"-f lavfi -i movie=/mnt/media/a -i /mnt/media/b", b"-f lavfi -i movie=/w/M/a -i /w/M/b"),
        (rb"-lavfi movie=file\\:/mnt/media/a", rb"-lavfi movie=file\\:/w/M/a"),
        (rb"-vf subtitles=/srv/it\\\'s/a", rb"-vf subtitles=/w/Quote/a"),
        (rb"-vf subtitles=f='/srv/it'\\\''s/a'\\\''b'", rb"-vf subtitles=f='/w/Quote/a'\\\''b'"),
        (rb"-vf subtitles=f='/srv/it\'\''s/a'", rb"-vf subtitles=f='/w/Quote/a'"),
        # One level of quoting is used up by the graph; the next one ends the path at its colon.
        (rb"-vf subtitles=/mnt/media\:/mnt/media/a", rb"-vf subtitles=/w/M:/w/M/a".replace(b":", rb"\:")),
        (
            b"-lavfi libvmaf=model='path=/mnt/media/a|path=/mnt/media/b':log_path=/mnt/media/c",
            b"-lavfi libvmaf=model='path=/w/M/a|path=/w/M/b':log_path=/w/M/c",
        ),
        # Lists of options, and tee.
        (b"-x265-params crf=1:stats=/mnt/media/s", b"-x265-params crf=1:stats=/w/M/s"),
        (b"-x264opts stats=/mnt/media/s", b"-x264opts stats=/w/M/s"),
        (
            b"-f tee [f=hls:hls_fmp4_init_filename=/mnt/media/i]/mnt/media/a|[f=mp4]file:/mnt/media/b|c",
            b"-f tee [f=hls:hls_fmp4_init_filename=/w/M/i]/w/M/a|[f=mp4]file:/w/M/b|c",
        ),
        (b"-f tee [f=hls:hls_base_url=/mnt/media/]a|b", b"-f tee [f=hls:hls_base_url=/mnt/media/]a|b"),
        # ffprobe
        (b"-v error -show_format -of json /mnt/media/a", b"-v error -show_format -of json /w/M/a"),
        (b"-f lavfi movie=/mnt/media/a", b"-f lavfi movie=/w/M/a"),
    ],
)
def test_rewritten(before: bytes, after: bytes) -> None:
    assert rewritten(*before.split(b" ")) == after.split(b" ")


@pytest.mark.parametrize("style", [rb"-vf subtitles=%s/a", rb"-vf subtitles='%s/a'", rb"-vf subtitles=f=%s"])
def test_a_directory_that_needs_escaping_is_written_so_that_it_is_read_again(style: bytes) -> None:
    arguments = style.replace(b"%s", b"/mnt/media").split(b" ")
    variables, names = paths.arguments_to_variables(arguments, HERE)
    resolved = paths.arguments_to_directories(variables, ODD, names)
    (place,) = paths.places_in(resolved)
    assert place.path.removesuffix(b"/a") == ODD["M"]


def test_a_spelling_that_could_not_be_restored_is_left_alone_and_its_name_is_still_needed() -> None:
    arguments = [b"-vf", rb"subtitles=/mnt/m\edia/a"]
    assert paths.arguments_to_variables(arguments, HERE) == (arguments, frozenset({"M"}))


def test_a_report() -> None:
    sent, names = paths.report_to_variables(b"file=/mnt/media/%p.log:level=24", HERE)
    assert (sent, names) == (b"file=$M/%p.log:level=24", frozenset({"M"}))
    assert paths.report_to_directories(sent, ODD, names) != sent
    assert paths.report_to_directories(sent, HERE, names) == b"file=/mnt/media/%p.log:level=24"
    assert paths.report_to_variables(b"level=/mnt/media", HERE) == (b"level=/mnt/media", frozenset())


_OPTIONS = [b"-i", b"-y", b"-vf", b"-f", b"-metadata", b"-x264opts", b"-filter_complex", b"--", b"-c"]
_words = st.sampled_from(
    [
        *rb"$ $$ / .. | file: concat: - $M $Movies~1 a movie= subtitles=f= [ ] , ; : = ' \ f=mp4".split(),
        *[b" ", rb"/srv/it\\\'s", rb"/srv/it'\\\''s", rb"/srv/a\:b [1], x;=", *HERE.values()],
    ]
)
_argument = st.lists(_words | st.binary(max_size=2), max_size=12).map(b"".join)
_arguments = st.lists(st.sampled_from([*_OPTIONS, b"lavfi", b"tee"]) | _argument, max_size=8)


@given(_arguments, st.sets(st.sampled_from(sorted(HERE))))
def test_mapping_and_resolving_is_the_identity(arguments: list[bytes], also: set[str]) -> None:
    sent, names = paths.arguments_to_variables(arguments, HERE)
    assert paths.arguments_to_directories(sent, HERE, names | also) == arguments
    assert names <= set(HERE)


@given(_argument, st.sets(st.sampled_from(sorted(HERE))))
def test_so_it_is_for_reports(value: bytes, also: set[str]) -> None:
    sent, names = paths.report_to_variables(value, HERE)
    assert paths.report_to_directories(sent, HERE, names | also) == value


@given(_arguments)
def test_resolving_never_leaves_the_directory(arguments: list[bytes]) -> None:
    try:
        result = paths.arguments_to_directories(arguments, THERE, set(HERE))
    except PathError:
        return
    for place in paths.places_in(result):
        below = place.path.partition(b"/w/")[2]
        depth = 0
        for component in below.split(b"/")[1:]:
            depth += {b"..": -1, b".": 0, b"": 0}.get(component, 1)
            assert depth >= 0


@given(_arguments)
def test_what_the_program_reads_is_the_same_below_the_directory(arguments: list[bytes]) -> None:
    sent, names = paths.arguments_to_variables(arguments, HERE)
    here = list(paths.places_in(arguments))
    there = list(paths.places_in(paths.arguments_to_directories(sent, THERE, names)))
    assert [place.argument for place in here] == [place.argument for place in there]
    for before, after in zip(here, there, strict=True):
        if before.path != after.path:
            (name,) = [n for n in names if paths.inside(after.path, [THERE[n]])]
            assert before.path == HERE[name] + after.path[len(THERE[name]) :]
