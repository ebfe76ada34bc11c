"""Who may speak to the coordinator."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address, ip_network


class Role(StrEnum):
    """What an identity may do."""

    CLIENT = "client"
    WORKER = "worker"
    ADMIN = "admin"
    VIEWER = "viewer"
    """Reads what an administrator can read, but for users and the audit trail, and changes nothing."""


@dataclass(frozen=True, slots=True)
class PreviousKey:
    """The key before the present one, which is good beside it for a time.

    Attributes:
        until: Unix seconds; from then on it is good for nothing.
    """

    key: bytes = field(repr=False)
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An identity's row.

    Attributes:
        key: the 32-byte secret; never shown.
        allowed_networks: CIDRs from which it may come; empty for anywhere.
        previous: the key that `key` has replaced, if both were to be good for a time.
        expires_at: from when on nobody is let in by it, Unix seconds; None for never.
    """

    client_id: str
    role: Role
    key: bytes = field(repr=False)
    allowed_networks: tuple[str, ...] = ()
    created_at: float = 0.0
    previous: PreviousKey | None = None
    expires_at: float | None = None

    def keys(self, now: float) -> tuple[bytes, ...]:
        """The keys that are good now (Unix seconds), the present one first; none once it has expired."""
        if self.expires_at is not None and self.expires_at <= now:
            return ()
        if self.previous is not None and now < self.previous.until:
            return (self.key, self.previous.key)
        return (self.key,)

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
