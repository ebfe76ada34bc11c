"""Names that are ours, names that anybody could have, and what an Origin header is about."""

import pytest

from dffmpeg.model.hosts import checked_origin, is_our_own, is_same, name_of


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("Media.Example.ORG:8000", "media.example.org"),
        ("media.example.org.", "media.example.org"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("", ""),
        ("[", ""),
    ],
)
def test_names(authority: str, name: str) -> None:
    assert name_of(authority) == name


@pytest.mark.parametrize(
    "authority", ["10.0.0.1:1", "[fe80::1]", "localhost", "a.local", "NAS", "x.home.arpa"]
)
def test_ours(authority: str) -> None:
    assert is_our_own(authority)


@pytest.mark.parametrize("authority", ["", ".", "evil.example", "local.example", "10.0.0.1.example", ":80"])
def test_anybodys(authority: str) -> None:
    assert not is_our_own(authority)
    assert not is_our_own(authority, {"media.example"})


def test_known() -> None:
    assert is_our_own("Media.Example:8000", {"media.example"})


@pytest.mark.parametrize(
    ("origin", "authority", "same"),
    [
        ("http://media:8000", "media:8000", True),
        ("HTTP://Media", "media", True),
        ("http://media", "media:80", True),
        ("https://media", "media:443", True),
        # Whatever ends TLS before us may not tell.
        ("https://media:8443", "media:8443", True),
        ("https://media", "media:80", False),
        ("http://media", "media:8000", False),
        ("http://media.example", "media", False),
        ("null", "null", False),
        ("media", "media", False),
        ("http://", "", False),
        ("file://media", "media", False),
        ("http://media/", "media", False),
    ],
)
def test_same(origin: str, authority: str, same: bool) -> None:
    assert is_same(origin, authority) is same


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("https://media.example.org", "https://media.example.org"),
        ("http://10.0.0.1:8000", "http://10.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://Media.example.org:443", "https://media.example.org"),
    ],
)
def test_origins(text: str, usual: str) -> None:
    assert checked_origin(text) == usual


@pytest.mark.parametrize(
    "text",
    [
        "media",
        "https://",
        "https://a/",
        "https://a/b",
        "ftp://a",
        "https://u@a",
        "https://a:x",
        "https://ä",
        "https://a?b",
    ],
)
def test_no_origins(text: str) -> None:
    with pytest.raises(ValueError):
        checked_origin(text)
