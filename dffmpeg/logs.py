"""What the long-running processes log: one line an event, to stderr, as text or as JSON.

What an event is about (which job, which attempt, which request) is said once, by the task that deals with
it, and stands in each line that is logged there.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

import msgspec

from dffmpeg.errors import DffmpegError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

LogFormat = Literal["text", "json"]

_CONTROLS = {
    number: chr(number).encode("unicode_escape").decode()
    for number in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
}
"""Characters that a terminal, or whoever reads lines, would obey."""

_JSON_CONTROLS = {number: f"\\u{number:04x}" for number in _CONTROLS if number > 0x20}
"""Those of them that JSON lets stand as they are."""

Fields = Mapping[str, str | int]

_SUBJECT: ContextVar[Fields] = ContextVar("dffmpeg.subject", default=MappingProxyType({}))


def begin(**fields: str | int | None) -> None:
    """Say what the calling task deals with from now on, and nothing else; tasks that it starts begin so too.

    Args:
        fields: `job`, `attempt`, `request`, `trace` and such; one that is None is left out.
    """
    _SUBJECT.set({name: value for name, value in fields.items() if value is not None})


def subject() -> Fields:
    """What the calling task deals with."""
    return _SUBJECT.get()


class OneLine(logging.Formatter):
    """Errors of ours say all there is to say in their text; only a defect needs a traceback.

    Behind the text stands what it is about: `[job=… attempt=1]`.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - overrides logging's own
        # Parts of paths and names are anybody's to choose: none of them begins a line of its own.
        record.message = record.message.translate(_CONTROLS)
        line = super().formatMessage(record)
        about = " ".join(f"{name}={value}" for name, value in _about(record).items())
        return f"{line} [{about.translate(_CONTROLS)}]" if about else line

    def formatException(self, ei: object) -> str:  # noqa: N802 - overrides logging's own
        # What an error says is anybody's words too: set in, they cannot pass for an event of its own.
        return "\n".join(f"  {line.translate(_CONTROLS)}" for line in _traceback(ei).splitlines())


class JsonLines(OneLine):
    """Each line an object: `time`, `level`, `logger`, `message`, what it is about, `error`, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        found: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_about(record),
        }
        if record.exc_info:
            found["error"] = repr(record.exc_info[1])
            if trace := _traceback(record.exc_info):
                found["traceback"] = trace
        line = msgspec.json.encode({name: _writable(value) for name, value in found.items()})
        return line.decode().translate(_JSON_CONTROLS)


FIELDS = ("job", "attempt", "worker", "request", "trace", "route", "status", "seconds")
"""What a line may be about, beyond what its task said: given to the logger as `extra`."""


def _about(record: logging.LogRecord) -> Fields:
    given = {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
    return {**subject(), **given}


def _traceback(ei: object) -> str:
    """Of a defect; nothing for an error of ours."""
    error = ei[1] if isinstance(ei, tuple) else None
    if not isinstance(error, BaseException) or expected(error):
        return ""
    return "".join(traceback.format_exception(error)).rstrip("\n")


def _writable(value: object) -> object:
    """Bytes of a name that are no UTF-8 stand in a text as what no encoding knows: shown as escapes."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


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


def configure(level: str, form: LogFormat = "text") -> None:
    """Log to stderr from this level on; the libraries' own chatter only from warnings on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else OneLine(FORMAT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("httpx", "httpcore", "hypercorn", "trio-websocket"):
        logging.getLogger(name).setLevel(max(logging.getLevelName(level), logging.WARNING))
