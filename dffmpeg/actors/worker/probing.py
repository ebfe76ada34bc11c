"""Asking a program what it can do, and trying out what it says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import trio

from dffmpeg.actors.worker.processes.actor import Processes, RunningProcess
from dffmpeg.actors.worker.processes.launches import CannotStart, Command
from dffmpeg.errors import DffmpegError, single_error
from dffmpeg.model import listings, trials
from dffmpeg.model.trials import Devices

VERSION_SECONDS = 30.0
LISTING_SECONDS = 60.0
TRIAL_SECONDS = 30.0
BENCHMARK_SECONDS = 180.0

_MOST_BYTES = 1 << 20
_AT_ONCE = 2
_LOWEST = 19

_LISTS = ("encoders", "decoders", "codecs", "filters", "muxers", "demuxers", "protocols", "hwaccels")
_LISTS_OF_FFPROBE = ("decoders", "codecs", "filters", "demuxers", "protocols")


class Silent(DffmpegError):
    """The program neither ended nor said what it was asked for in time."""


class Prober:
    """Runs programs as questions, a few at a time.

    Args:
        processes: where they run, so that even one that hangs, or starts others, is gone with the worker.

    Every method but `benchmark` may raise `CannotStart`.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._slots = trio.CapacityLimiter(_AT_ONCE)

    async def version(self, program: bytes) -> str:
        """What it prints on `-version`.

        Raises:
            Silent: it does not end.
        """
        return await self._printed(program, "version", VERSION_SECONDS)

    async def listings(self, program: bytes, version: str) -> dict[str, str]:
        """What it prints on each of the options that list something, by option, with `version`.

        Raises:
            Silent: it does not end.
        """
        found = {"version": version}

        async def ask(option: str) -> None:
            found[option] = await self._printed(program, option, LISTING_SECONDS)

        with single_error():
            async with trio.open_nursery() as nursery:
                for option in _LISTS_OF_FFPROBE if version.startswith("ffprobe") else _LISTS:
                    nursery.start_soon(ask, option)
        return found

    async def try_out(self, program: bytes, listed: Mapping[str, str], devices: Devices) -> dict[str, bool]:
        """Really use each hardware encoder and accelerator of a listing; whether it works."""
        lines = {name: trials.accelerator_trials(name, devices) for name in _accelerators(listed)}
        for coder in listings.coders(listed.get("encoders", "")):
            if listings.is_hardware(coder.name):
                lines[coder.name] = trials.encoder_trials(coder.name, devices, audio=coder.audio)
        verdicts: dict[str, bool] = {}

        async def attempt(name: str, tries: Iterable[Sequence[str]]) -> None:
            verdicts[name] = False
            for line in tries:
                if await self._succeeds(program, line, TRIAL_SECONDS):
                    verdicts[name] = True
                    return

        with single_error():
            async with trio.open_nursery() as nursery:
                for name, tries in lines.items():
                    nursery.start_soon(attempt, name, tries)
        return verdicts

    async def benchmark(self, program: bytes, encoder: str) -> float | None:
        """Pixels a second of a short encode, with the lowest priority; None if it fails."""
        began = trio.current_time()
        try:
            done = await self._succeeds(program, trials.benchmark(encoder), BENCHMARK_SECONDS, low=True)
        except CannotStart:
            return None
        return trials.benchmark_figure(trio.current_time() - began) if done else None

    async def _printed(self, program: bytes, option: str, seconds: float) -> str:
        # The question first: a script that stands for ffmpeg looks at its first argument.
        line = (f"-{option}", "-hide_banner") if option != "version" else (f"-{option}",)
        async with self._slots, self._processes.running(_command(program, line)) as process:
            with trio.move_on_after(seconds):
                text = await _read(process)
                await process.exited.wait()
                return text.decode("utf-8", "replace")
        raise Silent(f"{os.fsdecode(program)} does not answer -{option} within {seconds:g} s")

    async def _succeeds(
        self, program: bytes, line: Sequence[str], seconds: float, *, low: bool = False
    ) -> bool:
        async with self._slots, self._processes.running(_command(program, line)) as process:
            if low:
                with suppress(OSError):
                    os.setpriority(os.PRIO_PGRP, process.pid, _LOWEST)
            with trio.move_on_after(seconds):
                await _read(process)
                await process.exited.wait()
                return process.exit.code == 0
        return False


def _accelerators(listed: Mapping[str, str]) -> tuple[str, ...]:
    return listings.hwaccels(listed.get("hwaccels", ""))


def _command(program: bytes, line: Sequence[str]) -> Command:
    return Command(program, tuple(word.encode() for word in line))


async def _read(process: RunningProcess) -> bytes:
    """All of its standard output up to a limit; what it says besides is read, for it must not be held up."""
    text = bytearray()

    async def drain(number: int, kept: bytearray | None) -> None:
        while data := await process.outputs[number].receive_some(65536):
            if kept is not None and len(kept) < _MOST_BYTES:
                kept += data[: _MOST_BYTES - len(kept)]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, 1, text)
        nursery.start_soon(drain, 2, None)
    return bytes(text)


__all__ = ["Prober", "Silent"]
