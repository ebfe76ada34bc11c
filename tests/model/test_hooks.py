"""Which URLs may be called, and what follows a call."""

import pytest

from dffmpeg.backoff import Backoff
from dffmpeg.model.hooks import Again, Enough, HookCall, Patience, problem, unusable

ALLOWED = ("https://media.example/hooks/", "http://10.0.0.5:8080", "https://one.example/done?key=1")


@pytest.mark.parametrize(
    "url",
    [
        "https://media.example/hooks/",
        "https://media.example/hooks/a/b?job=1",
        "https://MEDIA.example:443/hooks/x",
        "http://10.0.0.5:8080",
        "http://10.0.0.5:8080/anything",
        "https://one.example/done?key=1",
    ],
)
def test_allowed(url: str) -> None:
    assert problem(url, ALLOWED) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://media.example/hooks/",  # another scheme
        "https://media.example/hooks",  # the folder itself is not below it
        "https://media.example/hooksmith/",
        "https://media.example:8443/hooks/",
        "https://media.example.evil.example/hooks/",
        "https://media.example@evil.example/hooks/",
        "https://evil.example/?https://media.example/hooks/",
        "https://media.example/hooks/../admin",
        "https://media.example/hooks/%2e%2e/admin",
        "https://media.example/hooks/%2E./admin",
        "https://media.example/hooks\\..\\admin",
        "https://media.example/hooks/%5c../admin",
        "http://10.0.0.5/",
        "http://10.0.0.5:80800/",
        "http://169.254.169.254/latest/meta-data",
        "https://one.example/done?key=2",
        "https://one.example/done/more?key=1",
        "file:///etc/passwd",
        "gopher://media.example/hooks/",
        "https:///hooks/",
        "https://media.example/hooks/\n",
        "https://media.example/hooks/ x",
        "https://mediä.example/hooks/",
        "",
    ],
)
def test_refused(url: str) -> None:
    refusal = problem(url, ALLOWED)
    assert refusal is not None
    assert "\n" not in refusal


def test_without_a_list_nothing_is_allowed() -> None:
    assert problem("https://media.example/hooks/", ()) == (
        "this coordinator calls no hooks: its [hooks] allowed is empty"
    )


def test_usable() -> None:
    assert unusable("https://media.example") is None
    assert unusable("https://user:password@media.example/") == (
        "expected a URL such as https://media.example/hooks/"
    )
    assert unusable("https://media.example/done#here") == "expected a URL without a fragment (#…)"


def call(tries: int) -> HookCall:
    return HookCall(
        seq=1, call_id="E", job_id="J", url="http://x", body=b"{}", created_at=0.0, due_at=0.0, tries=tries
    )


@pytest.mark.parametrize(
    ("tries", "now", "expected"),
    [
        (0, 10.0, Again(11.0)),
        (1, 10.0, Again(12.0)),
        (2, 10.0, Again(14.0)),
        (3, 10.0, Again(15.0)),  # not above the maximum
        (4, 10.0, Enough()),  # the fifth try was the last
        (1, 99.0, Enough()),  # it would be too old by then
    ],
)
def test_patience(tries: int, now: float, expected: Again | Enough) -> None:
    patience = Patience(5, 100.0, Backoff(1.0, 5.0, jitter=0.5))
    assert patience.after(call(tries), now, 0.0) == expected


def test_jitter_only_shortens() -> None:
    patience = Patience(5, 100.0, Backoff(1.0, 5.0, jitter=0.5))
    assert patience.after(call(0), 10.0, 0.5) == Again(10.75)
