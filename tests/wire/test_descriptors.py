"""What a program inherits when nobody is attached to it."""

from __future__ import annotations

from typing import Any

import pytest

from dffmpeg.wire.descriptors import detached
from dffmpeg.wire.jobs import Descriptor, Launch, Terminal


def one(number: int, kind: Any, direction: Any = "in", **more: Any) -> Descriptor:
    return Descriptor(number=number, kind=kind, direction=direction, **more)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (one(0, "pipe"), one(0, "null")),
        (one(0, "terminal"), one(0, "null")),
        (one(0, "closed"), one(0, "closed")),
        (one(0, "file", path="$M/in"), one(0, "file", path="$M/in")),
        (one(1, "terminal", "out"), one(1, "pipe", "out")),
        (one(1, "pipe", "out"), one(1, "pipe", "out")),
        (one(2, "same", "out", of=1), one(2, "same", "out", of=1)),
        (one(3, "pipe", "out"), one(3, "pipe", "out")),
    ],
)
def test_what_becomes_of_a_descriptor(before: Descriptor, after: Descriptor) -> None:
    launch = Launch(descriptors=[before], umask=0o22, terminal=Terminal(rows=2, columns=3))
    assert detached(launch) == Launch(descriptors=[after], umask=0o22)


def test_further_inputs_cannot_be_filled() -> None:
    with pytest.raises(ValueError, match="descriptor 3"):
        detached(Launch(descriptors=[one(3, "pipe")]))
