"""What `client.toml` may say beyond its types."""

from __future__ import annotations

import re

from dffmpeg.configuration.checks.values import (
    check_connection,
    check_hook,
    check_name,
    check_transports,
    mapped_paths,
)
from dffmpeg.configuration.client import ClientConfig, JobDefaults


def changes(config: ClientConfig) -> dict[str, object]:
    """What is normalised of it; raises ValueError as `check`."""
    check_connection(config)
    check_transports("transports", config.transports)
    _check_job(config.job)
    return {"paths": mapped_paths(config.paths)}


def _check_job(job: JobDefaults) -> None:
    if isinstance(job.priority, str):
        check_name("job.priority", job.priority)
    for index, label in enumerate(job.labels):
        check_name(f"job.labels[{index}]", label)
    for index, code in enumerate(job.retry_exit_codes):
        if not 0 <= code <= 255:
            raise ValueError(f"job.retry_exit_codes[{index}]: expected a number from 0 to 255, got {code}")
    for index, pattern in enumerate(job.retry_stderr):
        try:
            re.compile(pattern.encode())
        except (re.error, ValueError) as error:
            raise ValueError(f"job.retry_stderr[{index}]: expected a regular expression: {error}") from None
    for index, url in enumerate(job.hooks):
        check_hook(f"job.hooks[{index}]", url)
