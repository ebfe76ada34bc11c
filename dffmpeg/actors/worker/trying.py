"""Trying out the configured programs as jobs would start them, before there is a worker."""

from __future__ import annotations

import os

import trio

from dffmpeg.actors.worker.ability_cache import resolve
from dffmpeg.actors.worker.probing import Locked, Prober, Silent
from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.actors.worker.processes.launches import CannotStart
from dffmpeg.actors.worker.sandbox import Line, policy_of
from dffmpeg.configuration.worker import WorkerConfig


def try_programs(config: WorkerConfig) -> list[Line]:
    """Start each configured program that is here in the sandbox; none where jobs are not confined.

    Returns:
        A line for each, with the program's path or what keeps it from starting. A missing program has none.
    """
    return [] if policy_of(config) is None else trio.run(_try_all, config)


async def _try_all(config: WorkerConfig) -> list[Line]:
    processes = Processes(views=config.views == "auto")
    async with processes.open():
        prober = Prober(processes, policy_of(config))
        return [
            await _try(name, found, prober)
            for name, program in config.binaries.items()
            if (found := resolve(program)) is not None
        ]


async def _try(name: str, program: bytes, prober: Prober) -> Line:
    try:
        await prober.version(program)
    except (CannotStart, Locked, Silent) as reason:
        return Line(name, works=False, how=str(reason), needed=True)
    return Line(name, works=True, how=os.fsdecode(program), needed=True)
