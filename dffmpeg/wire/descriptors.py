"""Which of a program's descriptors are streams that travel, as its launch says."""

from __future__ import annotations

from collections import Counter

import msgspec

from dffmpeg.errors import BadInput
from dffmpeg.wire.bytestring import from_wire
from dffmpeg.wire.frames import CONTROL
from dffmpeg.wire.jobs import Descriptor, Launch

STDOUT, STDERR = 1, 2


def inputs(launch: Launch | None) -> frozenset[int]:
    """The streams that go into the program, by descriptor; `CONTROL` always is one of them."""
    return frozenset({CONTROL, *(d.number for d in _of(launch) if _travels(d, "in"))})


def outputs(launch: Launch | None) -> frozenset[int]:
    """The streams that come out of it. 1 and 2 always count: where they are no pipes they are empty."""
    descriptors = _of(launch)
    pipes = {d.number for d in descriptors if d.kind == "pipe" and d.direction == "out"}
    terminal = {d.number for d in descriptors if d.kind == "terminal"}
    if terminal:
        # One terminal is one stream, whatever number of descriptors it has.
        pipes.add(min(terminal - {0}, default=0))
    return frozenset({STDOUT, STDERR} | pipes)


def error_output(launch: Launch | None) -> int | None:
    """The output under which the program's stderr is found; None where it does not travel."""
    listed = {descriptor.number: descriptor for descriptor in _of(launch)}
    if not listed:
        return STDERR
    found = listed.get(STDERR)
    while found is not None and found.kind == "same":
        # Always a lower one, so this ends.
        found = listed.get(found.of if found.of is not None and found.of < found.number else -1)
    if found is None or found.kind not in ("pipe", "terminal"):
        return None
    if found.kind == "pipe":
        return found.number if found.direction == "out" else None
    return min({d.number for d in listed.values() if d.kind == "terminal"} - {0}, default=0)


def _of(launch: Launch | None) -> list[Descriptor]:
    return [] if launch is None else launch.descriptors


def _travels(descriptor: Descriptor, direction: str) -> bool:
    if descriptor.kind == "terminal":
        return descriptor.number == 0
    return descriptor.kind == "pipe" and descriptor.direction == direction


def detached(launch: Launch) -> Launch:
    """The same for a job that nobody is attached to: no input has anything in it, and what would be seen on
    a terminal is kept like what goes into a pipe.

    Raises:
        ValueError: the program has further inputs, which nobody is there to fill.
    """
    return msgspec.structs.replace(
        launch, descriptors=[_detached(one) for one in launch.descriptors], terminal=None
    )


def _detached(descriptor: Descriptor) -> Descriptor:
    reads = descriptor.number == 0 or descriptor.direction == "in"
    match descriptor.kind:
        case "terminal":
            if descriptor.number == 0:
                return Descriptor(number=0, kind="null")
            return Descriptor(number=descriptor.number, kind="pipe", direction="out")
        case "pipe" if reads and descriptor.number == 0:
            return Descriptor(number=0, kind="null")
        case "pipe" if reads:
            raise ValueError(f"it read what its caller wrote into descriptor {descriptor.number}")
        case _:
            return descriptor


def check(launch: Launch) -> None:
    """Refuse what no program could be started with.

    Raises:
        BadInput: a descriptor that is there twice, or that stands for none below it; bytes that hold a NUL.
    """
    counts = Counter(descriptor.number for descriptor in launch.descriptors)
    for index, descriptor in enumerate(launch.descriptors):
        place = f"launch.descriptors[{index}]"
        if counts[descriptor.number] > 1:
            raise BadInput(f"{place}.number: {descriptor.number} is there twice")
        if descriptor.kind == "same" and not (
            descriptor.of is not None and descriptor.of < descriptor.number and descriptor.of in counts
        ):
            raise BadInput(f"{place}.of: expected a lower descriptor that is listed")
        if descriptor.kind == "file" and descriptor.path is None:
            raise BadInput(f"{place}.path: expected a path")
        if descriptor.path is not None:
            from_wire(descriptor.path, f"{place}.path")
    for name, value in launch.environment.items():
        if not name or "=" in name or "\0" in name:
            raise BadInput(f"launch.environment: {name!r} is no name of a variable")
        from_wire(value, f"launch.environment.{name}")
