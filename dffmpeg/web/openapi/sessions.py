"""Signing in."""

from __future__ import annotations

from collections.abc import Mapping

from dffmpeg.web.openapi import examples
from dffmpeg.web.openapi.description import Content, Described, Description
from dffmpeg.wire.jobs import StatusReply
from dffmpeg.wire.sessions import SessionState, SignInRequest

_STATE = SessionState(
    client_id="alice",
    role="admin",
    signed_in=True,
    csrf="5f0c6d0a4a3f2b9f6c1d7e8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4",
    expires_at="2026-01-31T12:00:00Z",
)
_REQUEST = SignInRequest(client_id="alice", key="2X0nVJmMZ0m6m3uY5m1mYl1fGzF9Q5w0c3o3b0o5mXQ=")

SESSIONS: Mapping[str, Described] = {
    "GET /api/v1/session": Description(
        tag="Session",
        summary="As what one is here",
        text="Who may look by address alone is a `viewer` without `client_id`.",
        answers={200: Content(text="that", kind=SessionState, example=_STATE)},
    ),
    "POST /api/v1/session": Description(
        tag="Session",
        summary="Sign in",
        text=(
            "By an identity's id and key, or by what a login link carries; from `allowed_dashboard_ips` and "
            "`sign_in_networks`. The answer sets a cookie, by which the browser is let in where the "
            "identity would be by its signature. Whatever changes something needs `csrf` in header "
            "`X-Dffmpeg-CSRF`."
        ),
        body=Content(text="which identity, or which link", kind=SignInRequest, example=_REQUEST),
        answers={200: Content(text="as what one is now", kind=SessionState, example=_STATE)},
        errors={
            401: "the key is wrong, or there is no such identity; or the link was used, or is too old",
            403: "not from there, for a worker, or by a page of another site",
            429: "too many have failed; `Retry-After` says when to try again",
        },
    ),
    "DELETE /api/v1/session": Description(
        tag="Session",
        summary="Sign out",
        answers={200: Content(text="it is over", kind=StatusReply, example=examples.OK)},
    ),
}
