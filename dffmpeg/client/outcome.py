"""How a job ended, as its caller wants to know it."""

from __future__ import annotations

from dataclasses import dataclass

from dffmpeg.wire.jobs import JobRecord


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    Attributes:
        record: its final record.
        exit_code: the program's exit code, where it ended by itself.
        signal: the number of the signal that it died of, where it did.
        problem: None where the program's own end is the outcome; else one line that says why there is none.
    """

    record: JobRecord
    exit_code: int | None
    signal: int | None
    problem: str | None

    @classmethod
    def of(cls, record: JobRecord) -> Outcome:
        """The outcome that a final record tells of."""
        problem = None
        if record.status == "canceled":
            problem = f"job {record.job_id} was canceled" + (f": {record.reason}" if record.reason else "")
        elif record.exit_code is None and record.signal is None:
            problem = f"job {record.job_id} {record.status}: {record.reason or 'no exit code was reported'}"
        return cls(record, record.exit_code, record.signal, problem)


def hindered(record: JobRecord) -> str | None:
    """What a caller is told of a job that waits and that no known worker could ever run."""
    if record.status != "pending" or record.hindrance is None:
        return None
    return f"no worker can run this: {record.hindrance}; it waits"
