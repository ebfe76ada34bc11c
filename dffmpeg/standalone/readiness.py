"""Whether a job can be submitted: asked over the API, as anybody else would."""

from __future__ import annotations

from collections.abc import Iterable

import trio

from dffmpeg.configuration.common import Connection
from dffmpeg.errors import Refused, Unreachable
from dffmpeg.supervisors import Backoff
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire.signature import decode_key
from dffmpeg.wire.workers import WorkerRecord

BACKOFF = Backoff(minimum=0.05, maximum=1.0, jitter=0.0)


def open_http(connection: Connection) -> SignedHttp:
    """A signing connection as that identity; to be used as an async context manager."""
    key = decode_key(connection.hmac_key)
    return SignedHttp(connection.coordinator_url, connection.client_id, key, connection.tls)


async def wait_healthy(connection: Connection) -> None:
    """Return when the coordinator answers.

    Raises:
        Refused: it refuses for a reason that waiting does not change.
    """
    async with open_http(connection) as http:
        attempt = 0
        while not await _answers(http):
            attempt += 1
            await trio.sleep(BACKOFF.delay(attempt, 0.0))


async def wait_online(connection: Connection, workers: Iterable[str]) -> None:
    """Return when each of the workers is online.

    Args:
        connection: an identity that may see the workers.

    Raises:
        Refused: the coordinator refuses for a reason that waiting does not change.
    """
    expected = set(workers)
    async with open_http(connection) as http:
        attempt = 0
        while not expected <= await _online(http):
            attempt += 1
            await trio.sleep(BACKOFF.delay(attempt, 0.0))


async def _answers(http: SignedHttp) -> bool:
    try:
        await http.request("GET", "/health", timeout=10.0)
    except Unreachable:
        return False
    except Refused as refusal:
        if not refusal.temporary:
            raise
        return False
    return True


async def _online(http: SignedHttp) -> set[str]:
    try:
        records = await http.call("GET", "/workers", list[WorkerRecord], timeout=10.0)
    except Unreachable:
        return set()
    except Refused as refusal:
        if not refusal.temporary:
            raise
        return set()
    return {record.worker_id for record in records if record.status == "online"}
