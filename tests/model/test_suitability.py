"""What keeps a worker from a job, and what keeps all of them."""

from typing import Any

import pytest

from dffmpeg.model.abilities import UNTRIED, Abilities
from dffmpeg.model.jobs import Job
from dffmpeg.model.needs import Needs
from dffmpeg.model.resources import taken_by
from dffmpeg.model.suitability import eased, hindrance, obstacles
from dffmpeg.model.workers import Worker, WorkerState

ABLE = Abilities(
    encoders=("aac", "h264_nvenc", "libx264"),
    decoders=("aac", "h264"),
    filters=("scale",),
    hwaccels=("cuda",),
    muxers=("mp4",),
    demuxers=("mov",),
    protocols=("file",),
    broken=("h264_qsv", "vaapi"),
    encodable=("aac", "h264"),
    decodable=("aac", "h264"),
)


NOTHING = Needs()


def job(needs: Needs = NOTHING, **changes: Any) -> Job:
    values: dict[str, Any] = {"binary_name": "ffmpeg", "arguments": (), **changes}
    return Job(job_id="j", requester_id="alice", needs=needs, created_at=0.0, last_update=0.0, **values)


def worker(name: str = "w", **changes: Any) -> Worker:
    values: dict[str, Any] = {"binaries": ("ffmpeg",), "abilities": {"ffmpeg": ABLE}, **changes}
    return Worker(worker_id=name, state=WorkerState.ONLINE, last_seen=0.0, registered_at=0.0, **values)


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        (Needs(), ()),
        (Needs(encoders=("aac", "h264", "libx264")), ()),
        (Needs(encoders=("h264_qsv",)), ("the encoder h264_qsv is listed there and does not work",)),
        (Needs(encoders=("hevc_nvenc",)), ("it lacks the encoder hevc_nvenc",)),
        (Needs(decoders=("h264",)), ()),
        (Needs(decoders=("h264_cuvid",)), ("it lacks the decoder h264_cuvid",)),
        (Needs(filters=("scale", "zscale")), ("it lacks the filter zscale",)),
        (Needs(hwaccels=("cuda",)), ()),
        (Needs(hwaccels=("vaapi",)), ("the hardware accelerator vaapi is listed there and does not work",)),
        (Needs(muxers=("mkv",), demuxers=("mov",)), ("it lacks the muxer mkv",)),
        (Needs(demuxers=("mp4",)), ("it lacks the demuxer mp4",)),
        (Needs(protocols=("srt",)), ("it lacks the protocol srt",)),
        (Needs(labels=("gpu",)), ("it lacks the label gpu",)),
        # Where none is declared there is nothing to run out of, unless it was asked for.
        (Needs(resources={"nvenc": 1}), ()),
        (Needs(declared=("nvenc",), resources={"nvenc": 1}), ("it lacks the resource nvenc",)),
    ],
)
def test_needs(needs: Needs, expected: tuple[str, ...]) -> None:
    assert obstacles(job(needs), worker()) == expected


def test_a_worker_of_which_nothing_is_known_has_everything() -> None:
    needs = Needs(encoders=("h264_nvenc",), filters=("x",), hwaccels=("cuda",))
    assert obstacles(job(needs), worker(abilities={})) == ()
    assert obstacles(job(needs), worker(abilities={"ffprobe": ABLE})) == ()


def test_binaries_paths_labels_and_resources() -> None:
    assert obstacles(job(binary_name="ffprobe"), worker()) == ("it has no ffprobe",)
    assert obstacles(job(), worker(binaries=(), abilities={"ffmpeg": UNTRIED})) == (
        "its ffmpeg is being probed",
    )
    assert obstacles(job(paths=("M",)), worker()) == ("$M is not mapped or not there",)
    assert obstacles(job(paths=("M",)), worker(paths=("M",))) == ()
    needs = Needs(labels=("gpu",), resources={"nvenc": 2})
    assert obstacles(job(needs), worker(labels=("gpu",), resources={"nvenc": 2})) == ()
    assert obstacles(job(needs), worker(labels=("gpu",), resources={"nvenc": 1})) == (
        "it has 1 of 2 nvenc slots",
    )


def test_what_was_not_tried_yet_is_not_there() -> None:
    trying = Abilities(encoders=("libx264",), complete=False)
    assert obstacles(job(Needs(encoders=("h264_nvenc",))), worker(abilities={"ffmpeg": trying})) == (
        "it has not tried the encoder h264_nvenc yet",
    )
    assert obstacles(job(Needs(encoders=("libx264",))), worker(abilities={"ffmpeg": trying})) == ()


def test_substitutions_count() -> None:
    needs = Needs(encoders=("h264_qsv",))
    assert obstacles(job(needs), worker(substitutions={"h264_qsv": "h264_nvenc"})) == ()
    assert obstacles(job(needs), worker(substitutions={"h264_qsv": "h264_amf"})) != ()


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        ([], None),
        ([worker()], "it lacks the encoder x (the only worker)"),
        ([worker("a"), worker("b")], "it lacks the encoder x (2 of 2 workers)"),
        ([worker("a"), worker("b", abilities={"ffmpeg": Abilities(encoders=("x",))})], None),
        # Nothing is known of one of them yet.
        ([worker("a"), worker("b", binaries=(), abilities={"ffmpeg": UNTRIED})], None),
        (
            [worker("a"), worker("b"), worker("c", binaries=(), abilities={})],
            "it lacks the encoder x (2 of 3 workers); it has no ffmpeg (1 of 3 workers)",
        ),
        # A worker that is offline may come back.
        ([worker("a", abilities={})], None),
    ],
)
def test_hindrance(workers: list[Worker], expected: str | None) -> None:
    assert hindrance(job(Needs(encoders=("x",))), workers) == expected


@pytest.mark.parametrize(
    ("encoders", "expected"),
    [
        ((), {}),
        (("libx264", "aac"), {}),
        (("h264_nvenc", "hevc_nvenc"), {"nvenc": 1}),
        (("h264_qsv", "hevc_nvenc"), {"nvenc": 1, "qsv": 1}),
    ],
)
def test_resources_of_encoders(encoders: tuple[str, ...], expected: dict[str, int]) -> None:
    assert taken_by(encoders) == expected


def test_resources_are_what_is_configured() -> None:
    patterns = {"gpu": ["*_nvenc", "*_amf"], "slow": ["libx265"]}
    assert taken_by(["h264_amf", "libx265"], patterns) == {"gpu": 1, "slow": 1}
    assert taken_by(["h264_qsv"], {}) == {}


def test_a_job_that_writes_is_not_for_where_nothing_may_be_changed() -> None:
    needs = Needs(writes=("Films",))
    assert obstacles(job(needs), worker(read_only=("Series",))) == ()
    assert obstacles(job(needs), worker(read_only=("Films",))) == ("$Films is read-only there",)


def test_a_job_that_can_write_nowhere_is_ffmpegs_to_fail() -> None:
    stuck = job(Needs(writes=("Films",)), arguments=(b"-i", b"$Films/a", b"$Films/b.mkv"), paths=("Films",))
    assert eased(stuck).needs == Needs()
