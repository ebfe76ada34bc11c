"""The receiver's half of a downlink over a broker: messages out of bodies."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from dffmpeg.errors import BadInput
from dffmpeg.transports.address import SignedAddress
from dffmpeg.transports.broker import BrokerConnection, Recent
from dffmpeg.wire import codec
from dffmpeg.wire.workers import DownlinkMessage

SAID = 10
"""Forged messages of one connection that are a line in the log."""

logger = logging.getLogger("dffmpeg.transports")


Genuine = Callable[[DownlinkMessage], bool]
"""Whether a message is the coordinator's own."""


def genuine(http: SignedAddress, metadata: Mapping[str, Any]) -> Genuine:
    """What to ask of messages: a seal, where the coordinator has said that there is one."""
    return http.is_for_us if metadata.get("sealed") is True else lambda message: True


async def messages(
    connection: BrokerConnection, recipient_id: str, recent: Recent, genuine: Genuine
) -> AsyncGenerator[DownlinkMessage, None]:
    """What is for this recipient, each message once.

    A broker is shared, and may be told wrongly who reads and writes what: what is not a message, or
    another's, or not the coordinator's, is passed over.
    """
    doubts = 0
    while True:
        body = await connection.receive()
        try:
            message = codec.decode(body, DownlinkMessage, what="message")
        except BadInput as error:
            logger.warning("the broker brought what is not a message: %s", error)
            continue
        if message.recipient_id != recipient_id:
            logger.warning("the broker brought a message for %s", message.recipient_id)
        elif not genuine(message):
            # Whoever forges one can forge many.
            doubts += 1
            level = logging.WARNING if doubts <= SAID else logging.DEBUG
            logger.log(
                level,
                "the broker brought a %s message that is not the coordinator's: see its permissions",
                message.message_type,
            )
        elif recent.first(message):
            yield message
