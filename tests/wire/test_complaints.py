"""What does not fit is said in our words."""

from __future__ import annotations

import inspect

import msgspec
import pytest

from dffmpeg.errors import BadInput
from dffmpeg.wire import administration, codec, complaints, jobs, joining, workers
from dffmpeg.wire.administration import HoldRequest, PriorityRequest
from dffmpeg.wire.jobs import SubmitRequest


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (PriorityRequest, {"priority": 101}, "priority: expected a whole number of at most 100"),
        (PriorityRequest, {"priority": -101}, "priority: expected a whole number of at least -100"),
        (PriorityRequest, {"priority": "a/b"}, "priority: expected a string of letters, digits, '_', '-'"),
        (PriorityRequest, {"priority": None}, "priority: expected a whole number or a string, got null"),
        (HoldRequest, {"reason": "x" * 2001}, "reason: expected a string of at most"),
        (HoldRequest, {"reason": "x", "seconds": 0}, "seconds: expected a number above 0"),
        (HoldRequest, {"seconds": 5}, "body: reason is missing"),
        (
            SubmitRequest,
            {"binary_name": "x", "hooks": ["ftp://x"]},
            "hooks[0]: expected a string that begins",
        ),
        (SubmitRequest, {"binary_name": "x", "impossible": "no"}, "impossible: invalid enum value 'no'"),
        (
            joining.JoinRequest,
            {"token": "x", "client_id": "w", "proof": "x"},
            "token: expected a string of 64 hexadecimal digits",
        ),
        (SubmitRequest, [], "body: expected an object, got a list"),
    ],
)
def test_in_our_words(kind: type[msgspec.Struct], body: object, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        codec.decode(msgspec.json.encode(body), kind)
    assert str(caught.value).startswith(said)
    assert "`" not in str(caught.value)


def test_every_pattern_has_its_words() -> None:
    found = {
        meta.pattern
        for module in (administration, jobs, joining, workers)
        for struct in vars(module).values()
        if inspect.isclass(struct) and issubclass(struct, msgspec.Struct)
        for meta in _metas(struct)
        if meta.pattern is not None
    }
    assert found
    assert found <= complaints._PATTERNS.keys()


def _metas(struct: type[msgspec.Struct]) -> list[msgspec.Meta]:
    metas: list[msgspec.Meta] = []

    def look(kind: object) -> None:
        metas.extend(one for one in getattr(kind, "__metadata__", ()) if isinstance(one, msgspec.Meta))
        for inner in (*getattr(kind, "__args__", ()), getattr(kind, "__origin__", None)):
            if inner is not None and inner is not kind:
                look(inner)

    for kind in msgspec.structs.fields(struct):
        look(kind.type)
    return metas
