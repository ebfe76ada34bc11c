"""Whatever a user can cause is one line; a bug keeps its traceback."""

from __future__ import annotations

import pytest

from dffmpeg.command_line import FAILED, INTERRUPTED, USAGE, run
from dffmpeg.errors import BadInput, ConfigurationError, Unreachable

CASES = [
    (ConfigurationError("a.toml: wrong"), USAGE, "x: a.toml: wrong\n"),
    (BadInput("two\nlines"), USAGE, "x: two lines\n"),
    (Unreachable("nobody there"), FAILED, "x: nobody there\n"),
    (ExceptionGroup("outer", [ExceptionGroup("inner", [BadInput("deep")])]), USAGE, "x: deep\n"),
    (ExceptionGroup("two", [Unreachable("first"), BadInput("second")]), FAILED, "x: first\n"),
    (KeyboardInterrupt(), INTERRUPTED, ""),
]


@pytest.mark.parametrize(("error", "status", "line"), CASES)
def test_what_a_user_can_cause_is_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, line: str
) -> None:
    def command() -> int:
        raise error

    assert run("x", command) == status
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("error", [KeyError("a"), ExceptionGroup("g", [BadInput("ours"), KeyError("a")])])
def test_a_bug_is_not_hidden(error: Exception) -> None:
    def command() -> int:
        raise error

    with pytest.raises(type(error)):
        run("x", command)
