import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model.replays import MemoryFull, ReplayWindow


def test_a_mark_is_new_once() -> None:
    window = ReplayWindow(60.0, 100)
    assert window.take(b"a", 0.0)
    assert not window.take(b"a", 0.0)
    assert window.take(b"b", 0.0)


@given(st.floats(0, 200), st.floats(0, 60))
def test_no_mark_is_forgotten_within_its_time(begun: float, later: float) -> None:
    window = ReplayWindow(60.0, 100)
    window.take(b"first", 0.0)
    assert window.take(b"a", begun)
    window.take(b"between", begun + later / 2)
    assert not window.take(b"a", begun + later)


def test_what_is_old_is_forgotten() -> None:
    window = ReplayWindow(60.0, 100)
    for second in range(0, 6000, 10):
        assert window.take(str(second).encode(), float(second))
        assert len(window) <= 12
    window.take(b"a", 10_000.0)
    assert len(window) == 1


def test_a_full_one_forgets_nothing() -> None:
    window = ReplayWindow(60.0, 2)
    assert window.take(b"a", 0.0)
    assert window.take(b"b", 0.0)
    with pytest.raises(MemoryFull):
        window.take(b"c", 30.0)
    assert not window.take(b"a", 30.0)
    assert window.take(b"c", 61.0)


def test_whoever_vouched_may_bring_it_again() -> None:
    window = ReplayWindow(60.0, 100)
    assert window.take(b"a", 0.0, "one")
    assert window.take(b"a", 1.0, "one")
    assert not window.take(b"a", 2.0, "two")
    assert not window.take(b"a", 2.0)
    assert window.take(b"b", 2.0)
    assert not window.take(b"b", 2.0, "one")
