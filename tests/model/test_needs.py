"""What a command line asks of the worker that runs it."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.errors import BadInput
from dffmpeg.model.needs import LISTS, Needs, derive, merged, written
from dffmpeg.model.requirements import required


def needs(line: str, binary: str = "ffmpeg") -> Needs:
    return derive(binary, [argument.encode() for argument in shlex.split(line)])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-i a.mkv b.mp4", Needs()),
        ("-i a -c:v libx264 b", Needs(encoders=("libx264",))),
        (
            "-i a -c:v:0 libx264 -codec:a aac -scodec mov_text b",
            Needs(encoders=("aac", "libx264", "mov_text")),
        ),
        ("-i a -vcodec libx265 -acodec copy b", Needs(encoders=("libx265",))),
        ("-i a -c copy b", Needs()),
        ("-i a -c libx264 -c:v copy b", Needs(encoders=("libx264",))),
        # The last one counts, as it does for ffmpeg; each output has its own.
        ("-i a -c:v h264_nvenc -vcodec libx264 b", Needs(encoders=("libx264",))),
        ("-i a -c:v libx264 b -c:v libx265 c", Needs(encoders=("libx264", "libx265"))),
        ("-c:v h264_cuvid -i a -c:v h264_nvenc b", Needs(decoders=("h264_cuvid",), encoders=("h264_nvenc",))),
        # What is left out is never opened.
        ("-i a -an -c:a libfdk_aac -af loudnorm -c:v mpeg4 b", Needs(encoders=("mpeg4",))),
        ("-i a -vn -vcodec h264_qsv -filter:v:0 scale_qsv b", Needs()),
        ("-i a -ss 1 -f mp4 b", Needs(muxers=("mp4",))),
        ("-f MATROSKA -i a -f null -", Needs(demuxers=("matroska",), muxers=("null",))),
        # Options behind the last output belong to nothing.
        ("-i a b -c:v libx264", Needs()),
        ("-i a -c:v 'no such' b", Needs()),
        ("-i a -vf scale=2:2,yadif@x=1 b", Needs(filters=("scale", "yadif"))),
        ("-i a -vf crop=1:1 -filter:v hflip b", Needs(filters=("hflip",))),
        (
            "-i a -filter_complex \"sws_flags=bicubic;[0:v]split=2[x][y];[x]drawtext=text='a\\,;[c]=d'\" b",
            Needs(filters=("drawtext", "split")),
        ),
        ("-i a -lavfi '[0:a] amerge [o] ; [o]volume' -map '[o]' b", Needs(filters=("amerge", "volume"))),
        ("-i a -/filter_complex graph.txt -filter_script:v s.txt b", Needs()),
        (
            "-f lavfi -i testsrc2=s=2x2,format=yuv420p b",
            Needs(demuxers=("lavfi",), filters=("format", "testsrc2")),
        ),
        # A file may have such a name too: only the format says that it is a graph.
        ("-i testsrc2=s=2x2 b", Needs()),
        (
            "-hwaccel cuda -hwaccel_output_format cuda -i a -hwaccel auto -i c b",
            Needs(hwaccels=("cuda",)),
        ),
        ("-hwaccel nvdec -i a b", Needs(hwaccels=("cuda",))),
        ("-hwaccel none -i a -init_hw_device list b", Needs()),
        (
            "-init_hw_device vaapi=va:/dev/dri/renderD129 -init_hw_device qsv@va -i a b",
            Needs(hwaccels=("qsv", "vaapi")),
        ),
        ("-init_hw_device vulkan -i a b", Needs(hwaccels=("vulkan",))),
        ("-vaapi_device /dev/dri/renderD128 -i a b", Needs(hwaccels=("vaapi",))),
        (
            "-i https://example.org/a -f mpegts srt://host:1",
            Needs(protocols=("https", "srt"), muxers=("mpegts",)),
        ),
        ("-i crypto+https://x/y -i 'subfile,,start,1,end,2,,:/a' b", Needs(protocols=("crypto", "subfile"))),
        ("-i rtsp://camera/1 -i strange:name -i $Media/a:b b", Needs()),
        ("-i a -f pulse tcp:x", Needs(muxers=("pulse",))),
        ("-i concat:$Media/a|$Media/b -", Needs(protocols=("concat",))),
        ("-y -nostdin -i a -map 0 -metadata title=-c:v b", Needs()),
        ("-i a -metadata comment=-f -c:v mpeg4 b", Needs(encoders=("mpeg4",))),
        ("-h encoder=h264_nvenc", Needs()),
        ("-c:v h264 -dec 0:0 -c:v libx264 b", Needs(encoders=("libx264",))),
        ("-encoders", Needs()),
        ("-c:v", Needs()),
    ],
)
def test_ffmpeg(line: str, expected: Needs) -> None:
    assert needs(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-v error -show_streams -of json $Media/a.mkv", Needs()),
        ("-f lavfi -i testsrc2", Needs(demuxers=("lavfi",), filters=("testsrc2",))),
        (
            "-show_entries format=duration -f mov https://example.org/a",
            Needs(demuxers=("mov",), protocols=("https",)),
        ),
        ("-c:v nothing -i a", Needs()),
    ],
)
def test_ffprobe(line: str, expected: Needs) -> None:
    assert needs(line, "ffprobe") == expected


def test_other_programs_need_nothing() -> None:
    assert needs("-i a -c:v libx264 b", "HandBrakeCLI") == Needs()
    assert needs("-i a -c:v libx264 b", "jellyfin-ffmpeg7") == Needs(encoders=("libx264",))


_WORDS = st.sampled_from(
    [
        b"-i",
        b"-c:v",
        b"-vf",
        b"-f",
        b"lavfi",
        b"-hwaccel",
        b"x,y='[",
        b"-filter_complex",
        b"a\\",
        b"--",
        b"-",
        b"",
    ]
)


@given(
    st.lists(st.one_of(_WORDS, st.binary(max_size=12)), max_size=12), st.sampled_from(["ffmpeg", "ffprobe"])
)
def test_whatever_it_is_it_is_read_and_sorted(arguments: list[bytes], binary: str) -> None:
    found = derive(binary, arguments)
    for kind in LISTS:
        names = getattr(found, kind)
        assert list(names) == sorted(set(names))


def test_requirements() -> None:
    assert required([]) == Needs()
    assert required(
        ["encoder=hevc_nvenc", "label=gpu", "label=big", "resource=nvenc:2", "resource=x"]
    ) == Needs(
        encoders=("hevc_nvenc",),
        labels=("big", "gpu"),
        declared=("nvenc", "x"),
        resources={"nvenc": 2, "x": 1},
    )
    assert required(["resource=a:2", "resource=a:1"]).resources == {"a": 2}
    assert required(
        ["hwaccel=cuda", "muxer=mp4", "demuxer=mov", "filter=scale", "protocol=srt", "decoder=h264"]
    ) == (
        Needs(
            hwaccels=("cuda",),
            muxers=("mp4",),
            demuxers=("mov",),
            filters=("scale",),
            protocols=("srt",),
            decoders=("h264",),
        )
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("gpu", "expected KIND=NAME"),
        ("codec=h264", "one of encoder, decoder"),
        ("encoder=", "such as hevc_nvenc"),
        ("label=a b", "such as gpu"),
        ("resource=nvenc:0", "SLOTS from 1 to 10000"),
        ("resource=nvenc:", "SLOTS from 1 to 10000"),
        ("resource=nvenc:99999", "SLOTS from 1 to 10000"),
        ("resource=:1", "resource=NAME"),
        ("=x", "expected KIND=NAME"),
    ],
)
def test_wrong_requirements(text: str, part: str) -> None:
    with pytest.raises(BadInput, match=part) as caught:
        required(["label=ok", text])
    assert str(caught.value).startswith(f"require: {text!r}: ")
    assert "\n" not in str(caught.value)


def test_merging_takes_both() -> None:
    one, other = needs("-i a -c:v libx264 b"), required(["encoder=aac", "resource=a:2"])
    assert merged(one, other) == Needs(encoders=("aac", "libx264"), declared=("a",), resources={"a": 2})
    assert merged(other, one) == merged(one, other)


def test_what_is_written_is_a_need() -> None:
    arguments = [b"-i", b"$Films/a", b"$Series/b.mkv", b"c.mkv", b"http://host/d", b"$Other/e"]
    found = written("ffmpeg", arguments, ["Films", "Series", "Here"], b"$Here/below")
    assert found == Needs(writes=("Here", "Series"))
    assert written("ffprobe", arguments, ["Films"]) == Needs()
