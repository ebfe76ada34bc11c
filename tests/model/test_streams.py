import pytest

from dffmpeg.model.streams import Retention


@pytest.mark.parametrize(
    ("length", "dropped"),
    [(0, None), (10, None), (30, None), (31, (10, 11)), (100, (10, 80))],
)
def test_head_and_tail_are_kept(length: int, dropped: tuple[int, int] | None) -> None:
    assert Retention(head=10, tail=20).dropped(length) == dropped
