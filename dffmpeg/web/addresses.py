"""Where a request comes from, when there may be reverse proxies before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from dffmpeg.errors import ConfigurationError

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]


def parse_networks(texts: Iterable[str], key: str) -> Networks:
    """Networks in CIDR notation; a single address is one too.

    Raises:
        ConfigurationError: naming `key`, the configuration's entry.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text, strict=False))
        except ValueError:
            raise ConfigurationError(f"{key}: {text!r} is no address and no network") from None
    return networks


def parse_address(text: str) -> Address | None:
    """An address, with or without a port behind it; an IPv4 address in IPv6 form is taken as IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def contains(networks: Networks, address: Address) -> bool:
    """Whether one of the networks does."""
    return any(address in network for network in networks)


def source(peer: Address | None, forwarded: Iterable[str], trusted: Networks) -> Address | None:
    """The address that a request came from.

    Args:
        peer: the other end of the connection; None where that is not known.
        forwarded: the values of the X-Forwarded-For headers, in order. Each
            proxy appends whom it heard from, so only what trusted ones
            appended counts: they are read from the end. Where all of them are
            trusted, the first is whose it is: a proxy may be a client too.
        trusted: the proxies' networks.

    Returns:
        None where it cannot be told, which no check may let pass.
    """
    address = peer
    hops = [hop for value in forwarded for hop in value.split(",")]
    while address is not None and hops and contains(trusted, address):
        address = parse_address(hops.pop())
    return address
