import pytest

from dffmpeg.model.identities import Identity, Role


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
    assert "secret" not in repr(identity())
