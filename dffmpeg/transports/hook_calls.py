"""Calling a hook: one POST, to where it says and nowhere else."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Self

import trio

from dffmpeg.errors import DffmpegError
from dffmpeg.transports.http_library import httpx
from dffmpeg.transports.signed_http import send_plainly

MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read, and thrown away. What says nothing of its length is not read at all."""


class HookFailed(DffmpegError):
    """The receiver did not take the call; the text says why."""


class HookCaller:
    """An async context manager that owns the connections. Proxies of the environment are not used.

    Args:
        timeout: seconds for a whole call.
        connections: at most, at once.
        tls: whether any URL is one of https; then the system's certificates are read, which takes long.
    """

    def __init__(self, timeout: float, connections: int, *, tls: bool) -> None:
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            # A redirection would lead to where nobody has allowed us to call.
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context() if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            timeout=timeout,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            event_hooks={"request": [send_plainly]},
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def post(self, url: str, content: bytes, headers: dict[str, str]) -> None:
        """Make a call.

        Raises:
            HookFailed: no 2xx in time.
        """
        try:
            with trio.fail_after(self._timeout):
                status = await self._send(url, content, headers)
        except trio.TooSlowError:
            raise HookFailed(f"no answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HookFailed(_describe(error)) from None
        if not 200 <= status < 300:
            raise HookFailed(f"HTTP {status}")

    async def _send(self, url: str, content: bytes, headers: dict[str, str]) -> int:
        request = self._client.build_request("POST", url, content=content, headers=headers)
        response = await self._client.send(request, stream=True)
        try:
            if _is_short(response):
                # Otherwise the connection could not be used again.
                await response.aread()
        finally:
            await response.aclose()
        return response.status_code


def _is_short(response: httpx.Response) -> bool:
    if "content-encoding" in response.headers:
        # Nobody knows how much it becomes.
        return False
    length = response.headers.get("content-length", "")
    return response.status_code == 204 or (length.isdigit() and int(length) <= MAX_ANSWER)


def _describe(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    text = str(error).encode("ascii", "backslashreplace").decode()
    return " ".join(text.split())[:200] or type(error).__name__
