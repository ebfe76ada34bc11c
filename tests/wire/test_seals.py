"""What shows that a message over a broker is the coordinator's."""

from __future__ import annotations

import msgspec
import pytest

from dffmpeg.wire.seals import is_sealed, sealed
from dffmpeg.wire.workers import DownlinkMessage

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
MESSAGE = DownlinkMessage(
    message_id="01K9ZQ0F7M4N2X8T6V5B3C1D0E",
    recipient_id="worker1",
    timestamp="2026-01-01T00:00:00Z",
    message_type="job_status",
    payload={"status": "canceled"},
)


@pytest.mark.parametrize("key", [OLD, NEW])
def test_while_a_key_is_replaced_both_prove_it(key: bytes) -> None:
    assert is_sealed(sealed(MESSAGE, (NEW, OLD)), (key,))
    assert is_sealed(sealed(MESSAGE, (key,)), (NEW, OLD))


def test_nothing_else_does() -> None:
    both = sealed(MESSAGE, (NEW, OLD))
    assert not is_sealed(both, (OTHER,))
    assert not is_sealed(msgspec.structs.replace(both, recipient_id="worker2"), (NEW,))
    assert not is_sealed(MESSAGE, (NEW,))
    # Who has expired has no key, and is told nothing that it could believe.
    assert not is_sealed(sealed(MESSAGE, ()), (NEW,))
    assert not is_sealed(both, ())


def test_no_more_seals_are_tried_than_there_can_be_keys() -> None:
    genuine = sealed(MESSAGE, (NEW,)).seal
    assert not is_sealed(msgspec.structs.replace(MESSAGE, seal=f"a b {genuine}"), (NEW,))
