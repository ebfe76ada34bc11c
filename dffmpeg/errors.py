"""The project's errors: a small tree, so that a caller can catch what it can mend.

Foreign errors (a driver's, an HTTP library's) become one of these in the one
place that talks to the foreign library, and never travel further.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class DffmpegError(Exception):
    """Base of every error that a user or a caller may see; its text is one clear line."""


class ConfigurationError(DffmpegError):
    """A configuration cannot be used: names the file, the key and what was expected."""


class BadInput(DffmpegError):
    """Something from outside does not fit; the text names the field."""


class MalformedInput(BadInput):
    """It is not even JSON (RFC 8259)."""


class Unreachable(DffmpegError):
    """The coordinator could not be reached, or the connection broke before the answer.

    Attributes:
        retry_after: seconds to wait before another try, where the other side named them; 0 where it asked
            to be connected to again, at once.
    """

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class NotConnected(Unreachable):
    """No connection was made: the coordinator did not see the request, which may be sent again."""


class Refused(DffmpegError):
    """The coordinator answered and said no.

    Attributes:
        status: the HTTP status code, 400 to 599.
        detail: the coordinator's own sentence.
        retry_after: seconds to wait before another try, where the answer named them.
    """

    def __init__(self, status: int, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{detail} (HTTP {status})")
        self.status = status
        self.detail = detail
        self.retry_after = retry_after

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later: the fault was not the caller's."""
        return self.status == 429 or self.status >= 500


@contextmanager
def single_error() -> Iterator[None]:
    """Raise the error inside an exception group in its place, where there is just one to speak of.

    When two tasks of one connection both see it break, the first to say so stands for both.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        # Nothing ends here, a cancellation neither: what was in the group goes on, alone or all of it.
        errors = list(_leaves(group))
        if len(errors) == 1 or all(isinstance(error, DffmpegError) for error in errors):
            raise errors[0] from errors[0].__cause__
        raise


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
