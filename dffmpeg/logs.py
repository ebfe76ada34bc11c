"""What the long-running processes log: one line an event, to stderr."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dffmpeg.errors import DffmpegError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class OneLine(logging.Formatter):
    """Errors of ours say all there is to say in their text; only a defect needs a traceback."""

    def formatException(self, ei: object) -> str:  # noqa: N802 - overrides logging's own
        error = ei[1] if isinstance(ei, tuple) else None
        if isinstance(error, BaseException) and expected(error):
            return ""
        return super().formatException(ei)  # type: ignore[arg-type]


def expected(error: BaseException) -> bool:
    """Whether an exception, or each one in a group, is an error of ours."""
    if isinstance(error, BaseExceptionGroup):
        return all(expected(part) for part in error.exceptions)
    return isinstance(error, DffmpegError)


class _Failures(logging.Filter):
    """Drops what a supervisor says of errors of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return error is None or not expected(error)


@contextmanager
def failures_told_by_caller() -> Iterator[None]:
    """Around a start whose failure ends the process: its one line is the command's, not each supervisor's."""
    supervisors, failures = logging.getLogger("dffmpeg.supervisor"), _Failures()
    supervisors.addFilter(failures)
    try:
        yield
    finally:
        supervisors.removeFilter(failures)


def configure(level: str) -> None:
    """Log to stderr from this level on; the libraries' own chatter only from warnings on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(FORMAT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What these tell of a broken connection, with tracebacks, is told in a line of ours.
    for name in ("aiormq", "aio_pika"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("httpx", "httpcore", "hypercorn", "trio-websocket"):
        logging.getLogger(name).setLevel(max(logging.getLevelName(level), logging.WARNING))
