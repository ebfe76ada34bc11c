import pytest

from dffmpeg.model import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("0.5", 0.5),
        ("90s", 90.0),
        ("10m", 600.0),
        ("2h", 7200.0),
        ("7d", 604_800.0),
        ("2w", 1_209_600.0),
        ("1.5h", 5400.0),
        ("1h30m", 5400.0),
        ("365d", 31_536_000.0),
    ],
)
def test_parse(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-1", "+1m", "1 h", "h", "10x", "1e3", "nan", "inf", "366d", "1h5", "٣", "5M"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        durations.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(90.0, "1m30s"), (604_800.0, "7d"), (0.5, "0.5s"), (0.0, "0s"), (3600.0, "1h"), (90_061.0, "1d1h1m1s")],
)
def test_show(seconds: float, text: str) -> None:
    assert durations.show(seconds) == text
    if seconds:
        assert durations.parse(text) == seconds
