"""Which failures are tried again."""

import pytest

from dffmpeg.errors import BadInput
from dffmpeg.model import retries
from dffmpeg.model.rules import Rules


@pytest.mark.parametrize(
    "pattern", [r"(", r"[", r"a{2,1}", r"*", r"(?P<a>x)(?P<a>y)", r"\N{DIGIT ONE}", "(?u)x"]
)
def test_what_is_no_pattern_is_named(pattern: str) -> None:
    with pytest.raises(BadInput, match=r"retry_stderr: .* is no regular expression"):
        retries.check_patterns(["fine", pattern])


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("^Error", True),
        ("nope", False),
        ("ö$", True),
        (r"(?i)CONNECTION reset", True),
        ("[[:digit:]]", False),
    ],
)
def test_patterns_search_bytes_by_lines(pattern: str, found: bool) -> None:
    text = "one\nError: connection reset ö\nthree\n".encode()
    assert (retries.compiled(pattern).search(text) is not None) is found


@pytest.mark.parametrize(
    ("codes", "exit_code", "named"),
    [((69, 1), 1, True), ((69,), 1, False), ((), 1, False), ((0, 1), None, False)],
)
def test_a_rule_by_exit_code(codes: tuple[int, ...], exit_code: int | None, named: bool) -> None:
    assert retries.names_exit_code(Rules(retry_exit_codes=codes), exit_code) is named
