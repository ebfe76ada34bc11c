"""The receiver's half of a downlink over a broker: messages out of bodies."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator

from dffmpeg.errors import BadInput
from dffmpeg.transports.broker import BrokerConnection, Recent
from dffmpeg.wire import codec
from dffmpeg.wire.workers import DownlinkMessage

logger = logging.getLogger("dffmpeg.transports")


async def messages(
    connection: BrokerConnection, recipient_id: str, recent: Recent
) -> AsyncGenerator[DownlinkMessage, None]:
    """What is for this recipient, each message once.

    A broker is shared, and may be told wrongly who reads what: what is not a message, or another's, is
    passed over.
    """
    while True:
        body = await connection.receive()
        try:
            message = codec.decode(body, DownlinkMessage, what="message")
        except BadInput as error:
            logger.warning("the broker brought what is not a message: %s", error)
            continue
        if message.recipient_id != recipient_id:
            logger.warning("the broker brought a message for %s", message.recipient_id)
        elif recent.first(message):
            yield message
