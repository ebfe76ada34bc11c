"""How `dffmpeg-admin` ends: an exit status for each kind of failure."""

from __future__ import annotations

from dffmpeg.command_line import FAILED, USAGE
from dffmpeg.errors import BadInput, ConfigurationError, DffmpegError, Refused, Unreachable
from dffmpeg.store import InUse

NOT_FOUND = 3
REFUSED = 4
UNREACHABLE = 5


class NotThere(DffmpegError):
    """There is no such job, worker or user."""


class NotDone(DffmpegError):
    """What there is does not allow it, or whoever was asked said no; nothing was changed."""


class SomeFailed(DffmpegError):
    """Of several jobs some failed.

    Attributes:
        first: the first failure, which says how the command ends.
    """

    def __init__(self, text: str, first: DffmpegError) -> None:
        super().__init__(text)
        self.first = first


def status_of(error: DffmpegError) -> int:
    """The exit status that an error leads to."""
    match error:
        case SomeFailed():
            return status_of(error.first)
        case NotThere():
            return NOT_FOUND
        case NotDone() | InUse():
            return REFUSED
        case Refused():
            return _of_http(error.status)
        case Unreachable():
            return UNREACHABLE
        case ConfigurationError() | BadInput():
            return USAGE
        case _:
            return FAILED


def _of_http(status: int) -> int:
    if status == 404:
        return NOT_FOUND
    if status in (400, 413, 422):
        return USAGE
    return REFUSED if status < 500 else FAILED
