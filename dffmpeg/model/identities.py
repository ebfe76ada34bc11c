"""Who may speak to the coordinator."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address, ip_network


class Role(StrEnum):
    CLIENT = "client"
    WORKER = "worker"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An identity's row.

    Attributes:
        key: the 32-byte secret; never shown.
        allowed_networks: CIDRs from which it may come; empty for anywhere.
    """

    client_id: str
    role: Role
    key: bytes = field(repr=False)
    allowed_networks: tuple[str, ...] = ()
    created_at: float = 0.0

    def permits(self, address: str) -> bool:
        """Whether it may come from this address; an IPv4 address mapped into IPv6 counts as IPv4."""
        if not self.allowed_networks:
            return True
        try:
            source = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(source, "ipv4_mapped", None)
        source = mapped if mapped is not None else source
        networks = (ip_network(cidr, strict=False) for cidr in self.allowed_networks)
        return any(source.version == network.version and source in network for network in networks)
