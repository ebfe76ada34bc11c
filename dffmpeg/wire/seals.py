"""What shows that a message over a broker is the coordinator's, whoever else may write there.

The text that is authenticated has no part that could run into the next: only `message_type` and ids stand in
it as they are, and those hold no line's end where they come from us. A message that is repeated does
nothing again: attempts are numbered, and what has ended stays so.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

import msgspec

from dffmpeg.wire import codec
from dffmpeg.wire.workers import DownlinkMessage

PURPOSE = "dffmpeg-downlink-v1"
"""The first line, so that what is made with a key for one purpose is of no use for another."""


def sealed(message: DownlinkMessage, keys: Iterable[bytes]) -> DownlinkMessage:
    """The message with its seals.

    Args:
        keys: the recipient's secrets that are good now, 32 bytes each: one, or two while its key is replaced,
            because it is not known which of them the recipient has by then.
    """
    return msgspec.structs.replace(message, seal=" ".join(_seal(message, key) for key in keys))


def is_sealed(message: DownlinkMessage, keys: Iterable[bytes]) -> bool:
    """Whether it was sealed with one of these keys, and is as it was then."""
    seals = (message.seal or "").split(" ", 2)[:2]
    return any(
        hmac.compare_digest(seal.encode(), _seal(message, key).encode()) for key in keys for seal in seals
    )


def _seal(message: DownlinkMessage, key: bytes) -> str:
    lines = (
        PURPOSE,
        message.message_id,
        message.recipient_id,
        message.timestamp,
        message.message_type,
        message.job_id or "",
        # As it is written here it is written there: without spaces, fields in the order in which they came.
        hashlib.sha256(codec.encode(message.payload)).hexdigest(),
    )
    return base64.b64encode(hmac.digest(key, "\n".join(lines).encode(), "sha256")).decode()
