"""How a job is to be treated: what a caller says of it, over what the configuration says. Pure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from dffmpeg.configuration.client import ClientConfig
from dffmpeg.wire.jobs import SubmitRequest


class JobOptions(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Options of a submission; None is what the configuration says, or else the coordinator.

    Durations are seconds, `start_at` is Unix seconds. See `SubmitRequest` and `dffmpeg.model.rules.Rules`.

    Attributes:
        after: ids of jobs that have to complete first.
        idempotency_key: a second submission with it is the same job.
        size: how much work it is, in pixels of input.
    """

    name: str | None = None
    labels: tuple[str, ...] | None = None
    priority: int | str | None = None
    require: tuple[str, ...] | None = None
    after: tuple[str, ...] | None = None
    idempotency_key: str | None = None
    start_at: float | None = None
    size: float | None = None
    pending_timeout: float | None = None
    max_attempts: int | None = None
    assignment_timeout: float | None = None
    lease: float | None = None
    run_timeout: float | None = None
    stall_timeout: float | None = None
    retry_exit_codes: tuple[int, ...] | None = None
    retry_stderr: tuple[str, ...] | None = None
    impossible: Literal["wait", "fail", "run"] | None = None
    retention: float | None = None
    hooks: tuple[str, ...] | None = None


NO_OPTIONS = JobOptions()


def apply(config: ClientConfig, options: JobOptions | None, request: SubmitRequest) -> SubmitRequest:
    """A submission with all that is said of how it is treated.

    Args:
        options: None for a stand-in: what ffmpeg nowhere has is an error of its own, as it is locally.
    """
    said: dict[str, Any] = {"pending_timeout": config.pending_timeout}
    if options is None:
        options = NO_OPTIONS
        said["impossible"] = "run"
    said |= {name: value for name in config.job.__struct_fields__ if (value := getattr(config.job, name))}
    for name in options.__struct_fields__:
        value = getattr(options, name)
        if value is not None:
            said[name] = value
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
    return msgspec.structs.replace(request, **values)
