"""How somebody came in."""

from __future__ import annotations

from dataclasses import dataclass

from dffmpeg.actors.coordinator.operations import Forbidden
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.sessions import Session
from dffmpeg.web.addresses import Address

NETWORK_VIEWER = Identity(client_id="", role=Role.VIEWER, key=b"")
"""Whoever may look by address alone: nobody in particular, so without a name."""


@dataclass(eq=False, slots=True)
class Entrance:
    """How a request came in.

    Attributes:
        identity: who it is.
        address: where it came from.
        session: by which; None where it is signed, or nothing was needed.
        secret: what the session's cookie holds.
        over: it holds no longer, see `Revocation`.
        stamp: of the identity and the key by which it came in, see `stamp_of`.
    """

    identity: Identity
    address: Address | None = None
    session: Session | None = None
    secret: str = ""
    over: bool = False
    stamp: str = ""


class WrongRole(Forbidden):
    """Somebody asked for what its role may not do.

    Attributes:
        entrance: who it was.
    """

    def __init__(self, entrance: Entrance) -> None:
        super().__init__(f"not with the role {entrance.identity.role.value}")
        self.entrance = entrance
