"""The command lines that try hardware out: each kind with the device that it needs."""

import subprocess

import pytest

from dffmpeg.model import trials
from dffmpeg.model.trials import Devices

NODES = Devices(render=("/dev/dri/renderD128", "/dev/dri/renderD129"), cards=("/dev/dri/card0",))


def openings(lines: list[tuple[str, ...]]) -> list[str]:
    return [line[line.index("-init_hw_device") + 1] for line in lines]


@pytest.mark.parametrize(
    ("accelerator", "expected"),
    [
        ("cuda", ["cuda=trial"]),
        (
            "vaapi",
            [
                "vaapi=trial",
                "vaapi=trial:/dev/dri/renderD128",
                "vaapi=trial:/dev/dri/renderD128,driver=iHD",
                "vaapi=trial:/dev/dri/renderD129",
                "vaapi=trial:/dev/dri/renderD129,driver=iHD",
            ],
        ),
        (
            "qsv",
            [
                "qsv=trial",
                "qsv=trial:,child_device=/dev/dri/renderD128",
                "qsv=trial:,child_device=/dev/dri/renderD129",
            ],
        ),
        (
            "drm",
            [
                "drm=trial",
                "drm=trial:/dev/dri/renderD128",
                "drm=trial:/dev/dri/renderD129",
                "drm=trial:/dev/dri/card0",
            ],
        ),
        ("opencl", ["opencl=trial", "opencl=trial:0.0"]),
    ],
)
def test_each_device_is_tried(accelerator: str, expected: list[str]) -> None:
    assert openings(trials.accelerator_trials(accelerator, NODES)) == expected


def test_encoders_get_pictures_where_they_take_them_from() -> None:
    (nvenc,) = trials.encoder_trials("h264_nvenc", NODES)
    assert "-init_hw_device" not in nvenc
    assert nvenc[-5:] == ("-c:v", "h264_nvenc", "-f", "null", "-")
    uploads = trials.encoder_trials("hevc_vaapi", NODES)
    assert len(uploads) == 5
    assert all("format=nv12,hwupload" in line for line in uploads)
    (sound,) = trials.encoder_trials("aac_mf", NODES, audio=True)
    assert "-c:a" in sound
    assert "-c:v" not in sound


def test_the_figure_is_pixels_a_second() -> None:
    assert trials.benchmark_figure(2.0) == 1280 * 720 * 150 / 2


@pytest.mark.ffmpeg
@pytest.mark.parametrize("encoder", trials.BENCHMARK_ENCODERS)
def test_the_benchmark_runs(encoder: str) -> None:
    subprocess.run(["ffmpeg", *trials.benchmark(encoder)], check=True, timeout=300)


@pytest.mark.ffmpeg
def test_a_trial_fails_for_want_of_the_device_and_nothing_else() -> None:
    """The same lines with encoders that need no hardware work."""
    (line,) = trials.encoder_trials("h264_nvenc", Devices())
    subprocess.run(
        ["ffmpeg", *(word.replace("h264_nvenc", "mpeg4") for word in line)], check=True, timeout=60
    )
    (line,) = trials.encoder_trials("aac_mf", Devices(), audio=True)
    subprocess.run(["ffmpeg", *(word.replace("aac_mf", "aac") for word in line)], check=True, timeout=60)
