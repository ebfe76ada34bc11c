"""Asking a program what it can do, and trying out what it says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

import trio

from dffmpeg.actors.worker.enclosures import confined, enclosed_view
from dffmpeg.actors.worker.processes.actor import Processes, RunningProcess
from dffmpeg.actors.worker.processes.launches import CannotStart, Command
from dffmpeg.errors import DffmpegError, single_error
from dffmpeg.model import listings, starts, trials
from dffmpeg.model.confinement import Confinement, Policy
from dffmpeg.model.starts import Answer
from dffmpeg.model.trials import Devices

T = TypeVar("T")

VERSION_SECONDS = 30.0
LISTING_SECONDS = 60.0
TRIAL_SECONDS = 30.0
BENCHMARK_SECONDS = 180.0

_MOST_BYTES = 1 << 20
_HEAD_BYTES = 256
"""As much of a script's first line as the kernel reads."""

_AT_ONCE = 2
_LOWEST = 19

_LISTS = ("encoders", "decoders", "codecs", "filters", "muxers", "demuxers", "protocols", "hwaccels")
_LISTS_OF_FFPROBE = ("decoders", "codecs", "filters", "demuxers", "protocols")


class Silent(DffmpegError):
    """The program neither ended nor said what it was asked for in time."""


class Locked(DffmpegError):
    """The program starts, and not in the sandbox; the text says why, and what to do."""


class Prober:
    """Runs programs as questions, a few at a time.

    Args:
        processes: where they run, so that even one that hangs, or starts others, is gone with the worker.
        policy: what programs of jobs may touch; None for everything.

    Every method but `benchmark` may raise `CannotStart`.
    """

    def __init__(self, processes: Processes, policy: Policy | None = None) -> None:
        self._processes = processes
        self._policy = policy
        self._slots = trio.CapacityLimiter(_AT_ONCE)
        # Its own, because a thread that hangs on a dead file system keeps its token.
        self._threads = trio.CapacityLimiter(4)

    @property
    def confines(self) -> bool:
        """Whether programs of jobs may not touch everything, so that one may start here and not for them."""
        return self._policy is not None

    async def version(self, program: bytes) -> str:
        """What it prints on `-version`, started as it is for a job.

        Raises:
            Silent: it does not end.
            Locked: it starts only where it may touch everything.
        """
        asked = _command(program, ("-version",))
        if self._policy is None:
            return (await self._asked(asked, VERSION_SECONDS)).text
        command = await self._in_thread(partial(_as_for_a_job, asked, self._policy, self._processes))
        answer = await self._asked(command, VERSION_SECONDS)
        if not starts.suspicious(answer):
            return answer.text
        free = await self._asked(asked, VERSION_SECONDS)
        if not starts.kept_from_starting(answer, free):
            # Whatever it is, it is no different for a job.
            return free.text
        assert command.confinement is not None
        files = await self._missed(program, command.confinement, answer)
        raise Locked(starts.explanation(program, files, answer.said))

    async def _missed(self, program: bytes, confinement: Confinement, answer: Answer) -> tuple[bytes, ...]:
        """What a program may not read that it needs to start, as far as it can be told."""
        libraries = b""
        if (env := self._processes.tools.env) is not None:
            # What ldd(1) does: the loader lists what it would load, and runs nothing.
            line = (b"LD_TRACE_LOADED_OBJECTS=1", program, b"-version")
            with suppress(CannotStart, Silent):
                traced = await self._asked(Command(env, line), VERSION_SECONDS)
                libraries = traced.text.encode("utf-8", "surrogateescape")
        text = answer.said + b"\n" + libraries
        return await self._in_thread(partial(_unreadable, program, confinement, text))

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=self._threads)

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
        return (await self._asked(_command(program, line), seconds)).text

    async def _asked(self, command: Command, seconds: float) -> Answer:
        async with self._slots, self._processes.running(command) as process:
            with trio.move_on_after(seconds):
                text, said = await _read(process)
                await process.exited.wait()
                return Answer(
                    text=text.decode("utf-8", "replace"),
                    said=said,
                    code=process.exit.code,
                    reached=process.failure is None,
                )
        option = os.fsdecode(command.arguments[0])
        raise Silent(f"{os.fsdecode(command.program)} does not answer {option} within {seconds:g} s")

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


def _as_for_a_job(command: Command, policy: Policy, processes: Processes) -> Command:
    """The command confined, in a view where there are any, as for a job that names no directory."""
    view = None
    if processes.namespaces.available:
        view = enclosed_view(
            command.program,
            (),
            policy,
            tools=processes.tools.folders,
            scratch_folder=processes.scratch_folder,
        )
    return replace(command, confinement=confined(command.program, {}, policy), view=view)


def _unreadable(program: bytes, confinement: Confinement, text: bytes) -> tuple[bytes, ...]:
    """Which files that a text names, or a script begins with, a program may not read, without links."""
    head = b""
    with suppress(OSError), open(program, "rb") as file:
        head = file.read(_HEAD_BYTES)
    named = (*starts.interpreters(head), *starts.paths_in(text))
    places = tuple(os.path.realpath(place) for place in starts.readable_places(confinement))
    return starts.unreadable((os.path.realpath(path) for path in named if os.path.isfile(path)), places)


async def _read(process: RunningProcess) -> tuple[bytes, bytes]:
    """Its standard output and what it says besides, each up to a limit; all is read, not to hold it up."""
    kept = {1: bytearray(), 2: bytearray()}

    async def drain(number: int) -> None:
        while data := await process.outputs[number].receive_some(65536):
            kept[number] += data[: _MOST_BYTES - len(kept[number])]

    async with trio.open_nursery() as nursery:
        for number in kept:
            nursery.start_soon(drain, number)
    return bytes(kept[1]), bytes(kept[2])


__all__ = ["Locked", "Prober", "Silent"]
