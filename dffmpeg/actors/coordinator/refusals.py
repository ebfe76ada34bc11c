"""What an operation may answer instead of a result. None of these is a crash of the actor that says it."""

from __future__ import annotations

from dffmpeg.actors.runtime import Rejected
from dffmpeg.errors import BadInput, DffmpegError


class OperationError(DffmpegError, Rejected):
    """Base of the refusals."""


class NotFound(OperationError):
    """No such job or worker (HTTP 404)."""


class Forbidden(OperationError):
    """Not with this role, or not yours (HTTP 403)."""


class Conflict(OperationError):
    """The state does not allow it; nothing was changed (HTTP 409)."""


class Unfit(OperationError, BadInput):
    """It fits the protocol, but not this job (HTTP 422)."""


class TooMany(OperationError):
    """There is too much of it already; the caller may try again in `retry_after` seconds (HTTP 429)."""

    def __init__(self, message: str, *, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(OperationError):
    """Not now; the caller may try again in `retry_after` seconds (HTTP 503)."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DatabaseGone(Unavailable):
    """The database cannot be used now (HTTP 503)."""

    def __init__(self) -> None:
        super().__init__("the database cannot be reached; try again")


class Elsewhere(Unavailable):
    """Another coordinator looks after it, and nothing was changed here; the caller asks again, at once."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=0.0)
