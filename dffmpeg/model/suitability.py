"""Whether a worker could run a job at all, whatever it is doing now. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from dffmpeg.model.abilities import Abilities
from dffmpeg.model.jobs import Job
from dffmpeg.model.needs import LISTS, derive, merged, written
from dffmpeg.model.substitutions import stand_ins
from dffmpeg.model.workers import Worker

_KINDS = {
    "filters": "the filter",
    "hwaccels": "the hardware accelerator",
    "muxers": "the muxer",
    "demuxers": "the demuxer",
    "protocols": "the protocol",
}
_TOLD = 3
"""How many different obstacles a hindrance names."""


def obstacles(job: Job, worker: Worker) -> tuple[str, ...]:
    """What keeps the worker from ever running the job, each a short clause for people; empty if it could."""
    found = []
    abilities = worker.abilities.get(job.binary_name)
    if job.binary_name not in worker.binaries:
        probing = abilities is not None and not abilities.complete
        found.append(f"its {job.binary_name} is being probed" if probing else f"it has no {job.binary_name}")
    found += [f"${name} is not mapped or not there" for name in job.paths if name not in worker.paths]
    found += [f"${name} is read-only there" for name in job.needs.writes if name in worker.read_only]
    found += [f"it lacks the label {name}" for name in job.needs.labels if name not in worker.labels]
    found += [f"it lacks the resource {name}" for name in job.needs.declared if name not in worker.resources]
    for name, count in job.needs.resources.items():
        # Where none is declared there is nothing to run out of.
        total = worker.resources.get(name, count)
        if total < count:
            found.append(f"it has {total} of {count} {name} slots")
    if abilities is not None:
        found += _missing(job, worker, abilities)
    return tuple(found)


def _missing(job: Job, worker: Worker, abilities: Abilities) -> Iterator[str]:
    needs = job.needs
    others = stand_ins(needs.encoders, abilities, worker.substitutions)
    for name in needs.encoders:
        if name not in others and not abilities.encodes(name):
            yield _lack("the encoder", name, abilities)
    for name in needs.decoders:
        if not abilities.decodes(name):
            yield _lack("the decoder", name, abilities)
    for kind, called in _KINDS.items():
        for name in getattr(needs, kind):
            if abilities.lacks(kind, name):
                yield _lack(called, name, abilities)


def _lack(kind: str, name: str, abilities: Abilities) -> str:
    if name in abilities.broken:
        return f"{kind} {name} is listed there and does not work"
    return f"it lacks {kind} {name}" if abilities.complete else f"it has not tried {kind} {name} yet"


def hindrance(job: Job, workers: Iterable[Worker]) -> str | None:
    """Why no known worker could ever run the job, for people; None if one could, or nothing is known yet.

    Args:
        workers: all that are known, also those that are offline.
    """
    found: Counter[str] = Counter()
    known = 0
    for worker in workers:
        abilities = worker.abilities.get(job.binary_name)
        keeping = obstacles(job, worker)
        if not keeping or (abilities is not None and not abilities.complete):
            return None
        known += 1
        found.update(keeping)
    if not known:
        return None
    told = [_counted(text, count, known) for text, count in found.most_common(_TOLD)]
    return "; ".join(told)


def eased(job: Job) -> Job:
    """The job without what its command line asks of ffmpeg: where it runs now, ffmpeg says what it lacks."""
    outputs = written(job.binary_name, job.arguments, job.paths, job.working_directory)
    asked = merged(derive(job.binary_name, job.arguments), outputs)
    kept: dict[str, Any] = {
        kind: tuple(name for name in getattr(job.needs, kind) if name not in getattr(asked, kind))
        for kind in LISTS
    }
    return replace(job, needs=replace(job.needs, **kept), hindrance=None)


def _counted(text: str, count: int, known: int) -> str:
    return f"{text} (the only worker)" if known == 1 else f"{text} ({count} of {known} workers)"
