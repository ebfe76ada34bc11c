"""The guardian's reading of its pipe."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.worker.guardian import watched

NAMES = st.one_of(st.integers(2, 9), st.sampled_from([b"/tmp/a b", b"/tmp/\n\xff", b"/x"]))


@given(st.lists(st.tuples(st.booleans(), NAMES)), st.integers(1, 7))
def test_any_cut_of_the_lines_gives_the_same_groups_and_folders(
    changes: list[tuple[bool, int | bytes]], size: int
) -> None:
    lines = b""
    expected: set[int | bytes] = set()
    for born, name in changes:
        if isinstance(name, int):
            lines += b"%s%d\n" % (b"+" if born else b"-", name)
        else:
            lines += b"%s%s\n" % (b">" if born else b"<", name.hex().encode())
        (expected.add if born else expected.discard)(name)
    groups: set[int] = set()
    folders: set[bytes] = set()
    rest = b""
    for start in range(0, len(lines), size):
        rest = watched(rest + lines[start : start + size], groups, folders)
    assert (groups | folders, rest) == (expected, b"")


def test_what_is_not_a_group_is_ignored() -> None:
    groups: set[int] = set()
    folders: set[bytes] = set()
    assert watched(b"+0\n+1\n+-5\n+x\n\n+12\n+9", groups, folders) == b"+9"
    assert (groups, folders) == ({12}, set())
