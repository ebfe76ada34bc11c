from dataclasses import replace

import pytest

from dffmpeg.model.identities import Identity, PreviousKey, Role


def identity(*networks: str) -> Identity:
    return Identity(client_id="a", role=Role.CLIENT, key=b"secret" * 6, allowed_networks=networks)


@pytest.mark.parametrize(
    ("networks", "address", "permitted"),
    [
        ((), "203.0.113.9", True),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "11.1.2.3", False),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::1", True),
        (("2001:db8::/32",), "10.1.2.3", False),
        (("10.0.0.0/8",), "not an address", False),
        (("10.1.2.3",), "10.1.2.3", True),
    ],
)
def test_networks(networks: tuple[str, ...], address: str, permitted: bool) -> None:
    assert identity(*networks).permits(address) is permitted


def test_the_secret_is_not_shown() -> None:
    assert "secret" not in repr(replace(identity(), previous=PreviousKey(b"secret too", 5.0)))


OLD, NEW = b"o" * 32, b"n" * 32


@pytest.mark.parametrize(
    ("until", "expires_at", "now", "good"),
    [
        (None, None, 9e9, (NEW,)),
        (100.0, None, 99.9, (NEW, OLD)),
        (100.0, None, 100.0, (NEW,)),
        (100.0, 90.0, 89.9, (NEW, OLD)),
        (100.0, 90.0, 90.0, ()),
        (None, 90.0, 89.9, (NEW,)),
        (None, 90.0, 90.0, ()),
    ],
)
def test_keys_are_good_for_their_time(
    until: float | None, expires_at: float | None, now: float, good: tuple[bytes, ...]
) -> None:
    previous = None if until is None else PreviousKey(OLD, until)
    one = Identity(client_id="a", role=Role.CLIENT, key=NEW, previous=previous, expires_at=expires_at)
    assert one.keys(now) == good
