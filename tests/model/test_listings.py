"""What ffmpeg lists of itself, older and newer."""

import subprocess

import pytest

from dffmpeg.model import abilities as model
from dffmpeg.model import listings
from dffmpeg.model.abilities import Abilities

ENCODERS = """Encoders:
 V..... = Video
 .F.... = Frame-level multithreading
 ------
 V....D a64multi             Multicolor charset for Commodore 64 (codec a64_multi)
 V....D libx264              libx264 H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10 (codec h264)
 V....D h264_nvenc           NVIDIA NVENC H.264 encoder (codec h264)
 VFS... hevc_vaapi           H.265/HEVC (VAAPI) (codec hevc)
 A....D aac                  AAC (Advanced Audio Coding)
 A..X.D opus                 Opus
 A....D libopus              libopus Opus (codec opus)
 A..... aac_mf               AAC via MediaFoundation (codec aac)
 S..... ass                  ASS (Advanced SubStation Alpha) subtitle
"""

CODECS = """Codecs:
 D..... = Decoding supported
 .E.... = Encoding supported
 -------
 DEV.LS h264                 H.264 / AVC (decoders: h264 h264_cuvid ) (encoders: libx264 h264_nvenc )
 DEV.L. hevc                 H.265 (decoders: hevc hevc_cuvid ) (encoders: hevc_vaapi )
 DEAIL. opus                 Opus (decoders: opus libopus ) (encoders: opus libopus )
 DEAIL. aac                  AAC (Advanced Audio Coding)
 D.VI.S 012v                 Uncompressed 4:2:2 10-bit
 ..D... bin_data             binary data
"""

DECODERS = """Decoders:
 V..... = Video
 ------
 VFS..D h264                 H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10
 V..... h264_cuvid           Nvidia CUVID H264 decoder (codec h264)
 V....D hevc                 HEVC
 V....D 012v                 Uncompressed 4:2:2 10-bit
"""

HWACCELS = "Hardware acceleration methods:\nvdpau\ncuda\nvaapi\n\n"


def test_coders() -> None:
    found = {one.name: one for one in listings.coders(ENCODERS)}
    assert list(found) == [
        *("a64multi", "libx264", "h264_nvenc", "hevc_vaapi", "aac", "opus", "libopus", "aac_mf", "ass")
    ]
    assert found["opus"].experimental
    assert found["aac_mf"].audio
    assert not found["libx264"].audio


def test_codecs_name_what_stands_for_them_in_order() -> None:
    found = {one.name: one for one in listings.codecs(CODECS)}
    assert found["h264"].encoders == ("libx264", "h264_nvenc")
    assert found["aac"].encoders == found["aac"].decoders == ("aac",)
    assert found["012v"].encoders == ()
    assert list(found) == ["h264", "hevc", "opus", "aac", "012v", "bin_data"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            (
                "File formats:\n D. = Demuxing supported\n .E = Muxing supported\n --\n D  3dostr 3DO\n"
                " D  mov,mp4,m4a,3gp QuickTime / MOV\n  E sdl,sdl2        SDL2\n DE alsa            ALSA\n"
            ),
            ("3dostr", "3gp", "alsa", "m4a", "mov", "mp4", "sdl", "sdl2"),
        ),
        (
            (
                "Demuxers:\n D.. = Demuxing supported\n .E. = Muxing supported\n ..d = Is a device\n ---\n"
                " D   matroska,webm   Matroska / WebM\n D d lavfi           Libavfilter\n"
            ),
            ("lavfi", "matroska", "webm"),
        ),
        ("", ()),
    ],
)
def test_formats(text: str, names: tuple[str, ...]) -> None:
    assert listings.formats(text) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            (
                "Filters:\n  T.. = Timeline support\n  A = Audio input/output\n  | = Source or sink filter\n"
                " ... abench            A->A       Benchmark part of a filtergraph.\n TSC scale V->V x\n"
                " ..C concat            N->N       Join.\n ... testsrc2          |->V       Source.\n"
            ),
            ("abench", "concat", "scale", "testsrc2"),
        ),
        (
            (
                "Filters:\n  T. = Timeline support\n  .S = Slice threading\n  ------\n T. hue V->V Adjust\n"
                " .. nullsink          V->|       Nothing.\n"
            ),
            ("hue", "nullsink"),
        ),
    ],
)
def test_filters(text: str, names: tuple[str, ...]) -> None:
    assert listings.filters(text) == names


def test_protocols_and_accelerators() -> None:
    text = "Supported file protocols:\nInput:\n  async\n  file\nOutput:\n  file\n  srt\n"
    assert listings.protocols(text) == ("async", "file", "srt")
    assert listings.hwaccels(HWACCELS) == ("cuda", "vaapi", "vdpau")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("ffmpeg version 7.1-Jellyfin Copyright\nbuilt with", "ffmpeg version 7.1-Jellyfin Copyright"),
        ("ffprobe version n6.0\n", "ffprobe version n6.0"),
        ("HandBrake 1.6\n", None),
        ("", None),
    ],
)
def test_version(text: str, first: str | None) -> None:
    assert listings.version(text) == first


LISTED = {
    "version": "ffmpeg version 7",
    "encoders": ENCODERS,
    "decoders": DECODERS,
    "codecs": CODECS,
    "hwaccels": HWACCELS,
}


def test_what_was_not_tried_is_withheld() -> None:
    found = listings.abilities(LISTED)
    assert not found.complete
    assert found.broken == ()
    assert found.hwaccels == ()
    assert "h264_nvenc" not in found.encoders
    assert not found.encodes("h264_nvenc")
    assert not found.decodes("h264_cuvid")
    # What ffmpeg takes for the codec needs no hardware.
    assert found.encodes("h264")
    assert found.encodes("libx264")
    assert not found.encodes("hevc")


def test_what_failed_is_broken_and_what_worked_is_there() -> None:
    tried = {
        "h264_nvenc": False,
        "hevc_vaapi": True,
        "aac_mf": False,
        "cuda": False,
        "vaapi": True,
        "vdpau": False,
    }
    found = listings.abilities(LISTED, tried)
    assert found.complete
    assert found.broken == ("aac_mf", "cuda", "h264_cuvid", "h264_nvenc", "vdpau")
    assert found.hwaccels == ("vaapi",)
    assert found.encodes("hevc")
    assert not found.encodes("h264_nvenc")
    assert found.decodes("h264")
    assert not found.decodes("h264_cuvid")


def test_a_codec_whose_first_encoder_is_broken_is_not_encoded() -> None:
    codecs = CODECS.replace("libx264 h264_nvenc", "h264_nvenc libx264")
    tried = {"h264_nvenc": False}
    assert not listings.abilities({**LISTED, "codecs": codecs}, tried).encodes("h264")
    assert listings.abilities({**LISTED, "codecs": codecs}, {"h264_nvenc": True}).encodes("h264")


def test_ffmpeg_takes_the_first_encoder_that_is_not_experimental() -> None:
    listed = listings.coders(ENCODERS)
    assert listings.chosen(("opus", "libopus"), listed) == "libopus"
    assert listings.chosen(("opus",), listed) == "opus"
    assert listings.chosen((), listed) is None


def test_of_what_is_not_listed_nothing_is_known() -> None:
    nothing = Abilities()
    assert nothing.encodes("anything")
    assert nothing.decodes("anything")
    assert not nothing.lacks("filters", "scale")
    assert nothing.lacks("hwaccels", "cuda")
    assert not Abilities(broken=("h264_nvenc",)).encodes("libx264")


def test_the_digest_tells_abilities_apart() -> None:
    one, other = Abilities(encoders=("a",)), Abilities(encoders=("b",))
    assert model.digest({"ffmpeg": one}) == model.digest({"ffmpeg": Abilities(encoders=("a",))})
    assert (
        len({model.digest(each) for each in ({}, {"ffmpeg": one}, {"ffmpeg": other}, {"ffprobe": one})}) == 4
    )
    assert model.ordered(Abilities(encoders=("b", "a", "b"))) == Abilities(encoders=("a", "b"))


def printed(program: str, option: str) -> str:
    done = subprocess.run(
        [program, "-hide_banner", f"-{option}"], capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode("utf-8", "replace")


@pytest.mark.ffmpeg
def test_the_real_ones_listings() -> None:
    options = (
        "version",
        "encoders",
        "decoders",
        "codecs",
        "filters",
        "muxers",
        "demuxers",
        "protocols",
        "hwaccels",
    )
    texts = {option: printed("ffmpeg", option) for option in options}
    found = listings.abilities(texts)
    assert found.version.startswith("ffmpeg version")
    assert {"mpeg4", "aac", "pcm_s16le"} <= set(found.encoders)
    assert {"h264", "aac"} <= set(found.decoders)
    assert {"scale", "testsrc2", "concat", "null"} <= set(found.filters)
    assert {"mp4", "null", "matroska"} <= set(found.muxers)
    assert {"mov", "mp4", "matroska", "lavfi"} <= set(found.demuxers)
    assert {"file", "pipe"} <= set(found.protocols)
    assert {"mpeg4", "aac"} <= set(found.encodable)
    # No line of a listing is passed over: those of the legend have a `=`.
    for option in ("encoders", "decoders"):
        lines = [
            line for line in texts[option].splitlines() if line.startswith(" ") and " = " not in line[:12]
        ]
        assert len(listings.coders(texts[option])) == len([line for line in lines if "---" not in line])


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("kind", "codec", "source"),
    [("v", "h264", "color=s=64x64"), ("v", "vp9", "color=s=64x64"), ("a", "mp3", "anullsrc")],
)
def test_the_real_one_takes_that_encoder_for_a_codec(kind: str, codec: str, source: str) -> None:
    listed = listings.coders(printed("ffmpeg", "encoders"))
    codecs = {one.name: one for one in listings.codecs(printed("ffmpeg", "codecs"))}
    expected = listings.chosen(codecs[codec].encoders, listed)
    if expected is None:
        pytest.skip(f"this ffmpeg has no encoder for {codec}")
    line = [
        "ffmpeg",
        "-hide_banner",
        "-nostdin",
        "-f",
        "lavfi",
        "-i",
        source,
        "-t",
        "0.1",
        f"-c:{kind}",
        codec,
    ]
    done = subprocess.run([*line, "-f", "null", "-"], capture_output=True, check=False, timeout=60)
    mapping = done.stderr.decode().split("Stream mapping:")[1].splitlines()[1]
    assert mapping.endswith(f"-> {codec} ({expected}))")
