"""Signing in: what a browser sends, and what it is told."""

from __future__ import annotations

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class SignInRequest(msgspec.Struct, kw_only=True):
    """POST /api/v1/session: either `client_id` and `key`, or `link`.

    Attributes:
        key: as it stands in configuration files.
        link: what stands behind `link=` in what `dffmpeg-admin login-link` prints.
    """

    client_id: Name | None = None
    key: Secret | None = None
    link: Secret | None = None

    def __repr__(self) -> str:
        return f"SignInRequest(client_id={self.client_id!r})"


class SessionState(msgspec.Struct, kw_only=True):
    """As what a browser is here.

    Attributes:
        client_id: None for who only looks, by the address alone.
        role: `viewer`, `client`, `admin` or `worker`.
        signed_in: whether by a session.
        csrf: what goes into header `X-Dffmpeg-CSRF` of whatever changes something; None without a session.
        expires_at: when the session ends, ISO 8601; None without one.
    """

    client_id: str | None
    role: str
    signed_in: bool
    csrf: str | None = None
    expires_at: str | None = None
