"""What `client.toml` may say beyond its types: of all jobs, checked as a submission would be."""

from __future__ import annotations

import os.path
import re
from pathlib import Path
from typing import Any

from dffmpeg.configuration.checks.values import (
    check_connection,
    check_environment,
    check_hook,
    check_name,
    check_transports,
    mapped_paths,
)
from dffmpeg.configuration.client import ClientConfig, JobDefaults
from dffmpeg.errors import BadInput

_FIELD = re.compile(r"(?P<name>\w+)(?P<index>\[\d+\])?: (?P<expected>.*)", re.DOTALL)


def changes(config: ClientConfig, folder: Path) -> dict[str, object]:
    """What is normalised of it; raises ValueError as `check`."""
    found = check_connection(config, folder)
    check_transports("transports", config.transports)
    found["paths"] = mapped_paths(config.paths)
    check_environment(config.environment)
    for index, label in enumerate(config.job.labels):
        check_name(f"job.labels[{index}]", label)
    if config.job != JobDefaults():
        check_job(config.job)
    check_fallback(config)
    return found


def check_job(job: JobDefaults) -> None:
    """Raises ValueError where a submission with these values would be refused whatever it submits."""
    from dffmpeg.model import requirements

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
    # Most say nothing of their jobs, and then a stand-in need not load it.
    from dffmpeg.wire import codec
    from dffmpeg.wire.jobs import SubmitRequest

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


def check_fallback(config: ClientConfig) -> None:
    """The local programs: paths, because what is looked up stands on the caller's own PATH."""
    for name, path in config.fallback.binaries.items():
        if not os.path.isabs(path) or "\0" in path:
            raise ValueError(f"fallback.binaries.{name}: expected a program's absolute path, got {path!r}")
