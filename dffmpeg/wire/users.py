"""Users, as administrators see them. Their keys are nobody's to see."""

from __future__ import annotations

from typing import Annotated

import msgspec

Networks = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=64)]], msgspec.Meta(max_length=64)
]


class UserRecord(msgspec.Struct, kw_only=True):
    """A user.

    Attributes:
        role: `client`, `worker`, `admin` or `viewer`.
        networks: from where it may come, CIDRs; none is from anywhere.
        created_at: ISO 8601 UTC; null of one that was added by an earlier version, which did not note it.
        expires_at: from when on it is not let in; null for never.
        signed_in_at: when it last signed in at the dashboard; null where it is not signed in.
        last_seen: when a worker last said that it is there; null for others, of whom it is not known.
    """

    id: str
    role: str
    networks: list[str]
    created_at: str | None
    expires_at: str | None = None
    signed_in_at: str | None = None
    last_seen: str | None = None


class UserList(msgspec.Struct, kw_only=True):
    """GET /api/v1/users.

    Attributes:
        items: the page, by id, the last one first where that is asked for.
        next: the `cursor` of the next page; null at the end.
    """

    items: list[UserRecord]
    next: str | None


class NetworksRequest(msgspec.Struct, kw_only=True):
    """POST /api/v1/users/{id}/networks: from where a user may come; none is from anywhere."""

    networks: Networks
