"""The command lines with which a worker tries out what ffmpeg lists, and measures itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dffmpeg.model.listings import HARDWARE

_QUIET = ("-hide_banner", "-nostdin", "-v", "error")
_PICTURE = "color=c=gray:s=320x240:r=25,format=yuv420p"
_SOUND = "anullsrc=r=48000:cl=stereo"
_NOWHERE = ("-f", "null", "-")

_NEEDS_FRAMES_ON_DEVICE = frozenset(("vaapi", "vulkan", "d3d12va"))
"""Encoders that take no picture from memory: it has to be uploaded to the device first."""


@dataclass(frozen=True, slots=True)
class Devices:
    """The device nodes of a machine.

    Attributes:
        render: such as /dev/dri/renderD128.
        cards: such as /dev/dri/card0.
    """

    render: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()


def encoder_trials(encoder: str, devices: Devices, *, audio: bool = False) -> list[tuple[str, ...]]:
    """Tiny encodes with a hardware encoder: it works if one of them ends with 0.

    Args:
        encoder: a name for which `listings.is_hardware` holds.
        audio: whether it encodes sound.
    """
    kind = next(kind for kind in HARDWARE if encoder.endswith(f"_{kind}"))
    if audio:
        sound = ("-f", "lavfi", "-i", _SOUND, "-t", "0.2", "-c:a", encoder)
        return [(*_QUIET, *sound, *_NOWHERE)]
    picture = ("-f", "lavfi", "-i", _PICTURE, "-frames:v", "5")
    if kind not in _NEEDS_FRAMES_ON_DEVICE:
        return [(*_QUIET, *picture, "-c:v", encoder, *_NOWHERE)]
    upload = ("-filter_hw_device", "trial", *picture, "-vf", "format=nv12,hwupload", "-c:v", encoder)
    return [
        (*_QUIET, "-init_hw_device", device, *upload, *_NOWHERE)
        for device in _openings(kind, "trial", devices)
    ]


def accelerator_trials(accelerator: str, devices: Devices) -> list[tuple[str, ...]]:
    """Command lines that only open a device: the accelerator works if one of them ends with 0."""
    source = ("-f", "lavfi", "-i", "nullsrc=s=16x16:r=25", "-frames:v", "1")
    return [
        (*_QUIET, "-init_hw_device", device, *source, *_NOWHERE)
        for device in _openings(accelerator, "trial", devices)
    ]


def _openings(kind: str, name: str, devices: Devices) -> list[str]:
    """Values of `-init_hw_device`: the default device first, then each that there is."""
    return [f"{kind}={name}{rest}" for rest in ("", *_DEVICES.get(kind, _none)(devices))]


def _none(devices: Devices) -> Sequence[str]:
    return ()


_DEVICES: Mapping[str, Callable[[Devices], Sequence[str]]] = {
    # Which driver is the right one is not always found out by itself.
    "vaapi": lambda devices: [
        f":{node}{driver}" for node in devices.render for driver in ("", ",driver=iHD")
    ],
    "qsv": lambda devices: [f":,child_device={node}" for node in devices.render],
    "drm": lambda devices: [f":{node}" for node in (*devices.render, *devices.cards)],
    # Without a number it takes no device where there are several.
    "opencl": lambda devices: [":0.0"],
}
"""What stands behind the name for accelerators whose default device may be the wrong one, or none."""


BENCHMARK_WIDTH, BENCHMARK_HEIGHT, BENCHMARK_FRAMES = 1280, 720, 150
BENCHMARK_ENCODERS = ("libx264", "mpeg4")
"""In order of preference. Figures of different encoders do not compare; hardly a worker lacks the first."""


def benchmark(encoder: str) -> tuple[str, ...]:
    """A short encode; each of its pixels counts.

    Args:
        encoder: one of `BENCHMARK_ENCODERS`.
    """
    source = f"testsrc2=s={BENCHMARK_WIDTH}x{BENCHMARK_HEIGHT}:r=30"
    frames = ("-frames:v", str(BENCHMARK_FRAMES), "-pix_fmt", "yuv420p")
    return (*_QUIET, "-f", "lavfi", "-i", source, *frames, "-c:v", encoder, *_NOWHERE)


def benchmark_figure(seconds: float) -> float:
    """Pixels a second, of a benchmark that took so long."""
    return BENCHMARK_WIDTH * BENCHMARK_HEIGHT * BENCHMARK_FRAMES / max(seconds, 1e-3)
