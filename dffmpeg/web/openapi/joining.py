"""Joining."""

from __future__ import annotations

from collections.abc import Mapping

from dffmpeg.web.openapi.description import Content, Described, Description
from dffmpeg.wire.joining import JoinReply, JoinRequest

_REQUEST = JoinRequest(
    token="8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4",  # noqa: S106 - a digest
    client_id="worker2",
    proof="1b4f0e9851971998e732078544c96b36c3d01cedf7caa332359d6f1d83567014",
)
_REPLY = JoinReply(
    client_id="worker2",
    role="worker",
    proof="60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
)

JOINING: Mapping[str, Described] = {
    "POST /api/v1/join": Description(
        tag="Session",
        summary="Join as a new worker",
        text=(
            "By a token of `dffmpeg-admin token create`, once. Neither it nor the new key travels: both "
            "sides derive the proofs and the key from it. Whoever lost the answer may ask again, the "
            "same, until the token's end."
        ),
        body=Content(text="which token, and under which name", kind=JoinRequest, example=_REQUEST),
        answers={200: Content(text="as whom one has joined", kind=JoinReply, example=_REPLY)},
        errors={
            401: "there is no such token, or it was used, or is too old",
            403: "not from there",
            409: "there is a user of this name, or the token is for another one",
            429: "too many have failed; `Retry-After` says when to try again",
        },
    ),
}
