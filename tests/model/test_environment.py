"""Which environment variables are the caller's."""

from __future__ import annotations

import pytest

from dffmpeg.model.environment import DEFAULT_NAMES, inherited, matches, own, selected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"TZ", True),
        (b"LC_ALL", True),
        (b"LC_", True),
        (b"TZDIR", False),
        (b"LANGUAGE", False),
        (b"FFREPORT", True),
        (b"LD_PRELOAD", False),
        (b"PATH", False),
    ],
)
def test_the_default_list(name: bytes, expected: bool) -> None:
    assert matches(name, DEFAULT_NAMES) is expected


def test_our_own_variables_are_never_on_a_list() -> None:
    assert not matches(b"DFFMPEG_WORKER_CONFIG", ["*", "DFFMPEG_WORKER_CONFIG"])
    assert own({b"DFFMPEG_X": b"secret", b"HOME": b"/"}) == {b"HOME": b"/"}


def test_a_client_sends_what_is_on_the_list() -> None:
    environment = {b"TZ": b"UTC", b"LC_ALL": b"\xff", b"HOME": b"/root"}
    assert selected(environment, DEFAULT_NAMES) == {b"TZ": b"UTC", b"LC_ALL": b"\xff"}


def test_what_is_listed_is_the_callers_and_all_else_the_workers() -> None:
    worker = {b"TZ": b"UTC", b"LANG": b"C", b"HOME": b"/worker", b"DFFMPEG_X": b"secret"}
    given = {b"LANG": b"de_DE", b"NO_COLOR": b"", b"HOME": b"/client", b"LD_PRELOAD": b"evil.so"}
    assert inherited(worker, given, DEFAULT_NAMES) == {
        b"HOME": b"/worker",
        b"LANG": b"de_DE",
        b"NO_COLOR": b"",
    }
