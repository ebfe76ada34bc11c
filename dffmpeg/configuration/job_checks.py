"""What a client says of all its jobs, and which of its variables travel: checked as a submission would be."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable
from typing import Any

from dffmpeg.configuration.client import ClientConfig, JobDefaults
from dffmpeg.errors import BadInput
from dffmpeg.model import hooks, requirements
from dffmpeg.wire import codec
from dffmpeg.wire.jobs import SubmitRequest

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?|\*")
_FIELD = re.compile(r"(?P<name>\w+)(?P<index>\[\d+\])?: (?P<expected>.*)", re.DOTALL)


def check_job(job: JobDefaults) -> None:
    """Raises ValueError where a submission with these values would be refused whatever it submits."""
    for index, text in enumerate(job.require):
        try:
            requirements.required([text])
        except BadInput as error:
            raise ValueError(f"job.require[{index}]: {str(error).removeprefix('require: ')}") from None
    for index, code in enumerate(job.retry_exit_codes):
        if not 1 <= code <= 255:
            # 0 is no failure.
            raise ValueError(f"job.retry_exit_codes[{index}]: expected a number from 1 to 255, got {code}")
    for index, pattern in enumerate(job.retry_stderr):
        try:
            re.compile(pattern.encode())
        except (re.error, ValueError) as error:
            raise ValueError(f"job.retry_stderr[{index}]: expected a regular expression: {error}") from None
    for index, url in enumerate(job.hooks):
        check_hook(f"job.hooks[{index}]", url)
    _check_as_sent(job)


def _check_as_sent(job: JobDefaults) -> None:
    given: dict[str, Any] = {
        name: value for name in job.__struct_fields__ if (value := getattr(job, name)) not in (None, [])
    }
    try:
        codec.decode(codec.encode({"binary_name": "ffmpeg", **given}), SubmitRequest)
    except BadInput as error:
        raise ValueError(_with_value(str(error), given)) from None


def _with_value(complaint: str, given: dict[str, Any]) -> str:
    """The complaint about a field of a submission, as one about the key; with what stands there."""
    found = _FIELD.fullmatch(complaint)
    if found is None:
        return f"job: {complaint}"
    value = given.get(found["name"])
    if found["index"] and isinstance(value, list):
        value = value[int(found["index"][1:-1])]
    there = "" if isinstance(value, list) else f", got {value!r}"
    expected = found["expected"].partition(", got ")[0]
    return f"job.{found['name']}{found['index'] or ''}: {expected}{there}"


def check_hook(key: str, url: str) -> str:
    """A URL that a coordinator may be asked to call."""
    reason = hooks.unusable(url)
    if reason is not None:
        raise ValueError(f"{key}: {reason}, got {url!r}")
    return url


def check_environment(patterns: Iterable[str]) -> None:
    """Names of variables, or the beginnings of some with a `*` behind them."""
    for index, pattern in enumerate(patterns):
        if not _VARIABLE.fullmatch(pattern):
            raise ValueError(
                f"environment[{index}]: expected a variable's name, or its beginning and a *, got {pattern!r}"
            )


def check_fallback(config: ClientConfig) -> None:
    """The local programs: paths, because what is looked up stands on the caller's own PATH."""
    for name, path in config.fallback.binaries.items():
        if not os.path.isabs(path) or "\0" in path:
            raise ValueError(f"fallback.binaries.{name}: expected a program's absolute path, got {path!r}")
