"""Signed HTTP requests: the only file that knows httpx.

Every error of the library becomes `Unreachable`, every answer of 400 and above
`Refused`, with the coordinator's own sentence.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import trio

from dffmpeg.configuration.common import SYSTEM, Trust
from dffmpeg.errors import NotConnected, Refused, Unreachable
from dffmpeg.transports.address import SignedAddress, target_of
from dffmpeg.transports.http_library import httpx
from dffmpeg.transports.streams import untrusted
from dffmpeg.wire import codec

T = TypeVar("T")

MAX_ANSWER = 64 * 1024 * 1024
"""Largest answer that is read, bytes."""


class SignedHttp(SignedAddress):
    """A connection pool to one coordinator, signing as one identity.

    Use as an async context manager, which owns the connections.

    Args:
        url: the coordinator's base URL, with a reverse proxy's prefix if there is one.
        client_id: the identity's name.
        key: its 32-byte secret.
        trust: whose certificate it must have, where the URL is one of https.
        connections: how many connections may be open at once.

    Raises:
        ConfigurationError: a file of `trust` cannot be used.
    """

    def __init__(
        self, url: str, client_id: str, key: bytes, trust: Trust = SYSTEM, *, connections: int = 16
    ) -> None:
        super().__init__(url, client_id, key, trust)
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=False,
            # Without TLS, and with redirects off, nothing is there to be verified.
            verify=self.tls() or False,
            event_hooks={"request": [send_plainly]},
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        json: Any = None,
        query: dict[str, str] | None = None,
        timeout: float = 30.0,
    ) -> bytes:
        """Send one request and read the whole answer.

        Args:
            path: below the base URL, beginning with a slash.
            body: raw bytes to send, or
            json: a struct or plain value to send as JSON.
            query: query parameters.
            timeout: seconds for each of connecting, sending and waiting for bytes.

        Returns:
            The answer's body.

        Raises:
            NotConnected: there was no connection to send it over.
            Unreachable: the connection broke, or it took too long. Whether
                the coordinator acted on the request is not known then.
            Refused: the answer's status is 400 or above.
        """
        content = body if body is not None else (codec.encode(json) if json is not None else b"")
        target = target_of(path, query)
        headers = self.headers(method, target, content)
        headers["content-type"] = "application/json" if json is not None else "application/octet-stream"
        with self._ours():
            response = await self._client.request(
                method, self.url + target, content=content, headers=headers, timeout=timeout
            )
        if response.status_code >= 300:
            raise _refusal(response)
        return response.content

    @asynccontextmanager
    async def lines(
        self, path: str, *, accept: str, query: dict[str, str], timeout: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """GET an answer that is read line by line while it is being made; leaving closes it.

        Args:
            accept: the type of answer that is wanted.
            timeout: seconds for each of connecting, sending and waiting for bytes.

        Raises:
            NotConnected, Unreachable: as `request`, also from the block while lines are waited for.
            Refused: the answer's status is 300 or above, or it has another type (406).
        """
        target = target_of(path, query)
        headers = {**self.headers("GET", target), "accept": accept}
        request = self._client.build_request("GET", self.url + target, headers=headers, timeout=timeout)
        with self._ours():
            response = await self._client.send(request, stream=True)
        try:
            if response.status_code >= 300:
                with self._ours():
                    await response.aread()
                raise _refusal(response)
            if not response.headers.get("content-type", "").startswith(accept):
                raise Refused(406, f"{path}: the answer is not {accept}")
            async with aclosing(self._split(response)) as found:
                yield found
        finally:
            with trio.move_on_after(1.0, shield=True):
                await response.aclose()

    async def _split(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        rest = b""
        async with aclosing(_pieces(response)) as pieces:
            while True:
                with self._ours():
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    yield line
                if len(rest) > MAX_ANSWER:
                    raise Unreachable(f"{self.url}: a line is longer than {MAX_ANSWER} bytes")

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """Raise our errors in place of the library's."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotConnected(f"{self.url}: {_describe(error)}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{self.url}: {_describe(error)}") from error

    async def call(self, method: str, path: str, kind: type[T], **options: Any) -> T:
        """`request`, with the answer decoded as `kind`; other keywords as there."""
        return codec.decode(await self.request(method, path, **options), kind, what=f"answer to {path}")


async def _pieces(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    async for piece in response.aiter_bytes():
        yield piece


class _Body(httpx.AsyncByteStream):
    """A request's body in one piece.

    The library's own is an async generator, which a cancelled request leaves unfinished
    to the garbage collector; trio warns of that.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._pieces = iter((content,))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Body(self._content)

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


async def send_plainly(request: httpx.Request) -> None:
    request.stream = _Body(request.content)


def _describe(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLError):
                return untrusted(cause)
            cause = cause.__cause__ or cause.__context__
        return "cannot connect; is the coordinator running there?"
    return str(error) or type(error).__name__


class _Problem(msgspec.Struct):
    detail: Any = None


def _refusal(response: httpx.Response) -> Refused:
    try:
        detail = msgspec.json.decode(response.content, type=_Problem).detail
    except msgspec.MsgspecError:
        detail = None
    wait = response.headers.get("retry-after", "")
    return Refused(
        response.status_code,
        detail if isinstance(detail, str) else response.reason_phrase or "refused",
        retry_after=float(wait) if wait.isdigit() else None,
    )
