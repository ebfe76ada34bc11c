"""What scheduling, retrying and administration have to know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

ID = sa.String(128)

_Columns = tuple[tuple[str, sa.types.TypeEngine[Any], str | None], ...]

_JOBS: _Columns = (
    ("name", sa.Text(), None),
    ("labels", sa.Text(), "'[]'"),
    ("priority", sa.Integer(), "0"),
    ("needs", sa.Text(), "'{}'"),
    ("rules", sa.Text(), "'{}'"),
    ("predecessors", sa.Text(), "'[]'"),
    ("blocked", sa.Integer(), "0"),
    ("idempotency_key", ID, None),
    ("losses", sa.Integer(), "0"),
    ("ready_at", sa.Double(), None),
    ("ended_at", sa.Double(), None),
    ("expires_at", sa.Double(), None),
    ("size", sa.Double(), None),
    ("resources", sa.Text(), "'{}'"),
    ("substitutions", sa.Text(), "'{}'"),
    ("hindrance", sa.Text(), None),
    ("progress", sa.Text(), None),
    ("begun", sa.LargeBinary(), "x'80'"),
    ("retry_of", ID, None),
)
_ATTEMPTS: _Columns = (
    ("stderr_end", sa.LargeBinary(), None),
    ("substitutions", sa.Text(), "'{}'"),
)
_WORKERS: _Columns = (
    ("labels", sa.Text(), "'[]'"),
    ("resources", sa.Text(), "'{}'"),
    ("weight", sa.Double(), "1"),
    ("abilities", sa.Text(), "'{}'"),
    ("abilities_digest", sa.String(64), None),
    ("benchmark", sa.Double(), None),
    ("substitutions", sa.Text(), "'{}'"),
    ("hours", sa.Text(), None),
    ("mounts", sa.Text(), "'{}'"),
    ("hold", sa.String(16), None),
    ("hold_reason", sa.Text(), None),
    ("hold_until", sa.Double(), None),
    ("strikes", sa.Integer(), "0"),
)
_CHANGED = {"jobs": _JOBS, "attempts": _ATTEMPTS, "workers": _WORKERS}

_metadata = sa.MetaData()
sa.Table(
    "settings",
    _metadata,
    sa.Column("name", ID, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("changed_at", sa.Double, nullable=False),
)
sa.Table(
    "job_predecessors",
    _metadata,
    sa.Column("job_id", ID, primary_key=True),
    sa.Column("predecessor_id", ID, primary_key=True),
    sa.Column("outcome", sa.String(16)),
    sa.Index("job_predecessors_by_predecessor", "predecessor_id"),
    sa.Index("job_predecessors_by_outcome", "outcome"),
)
sa.Table(
    "janitor_runs",
    _metadata,
    sa.Column("run_id", ID, primary_key=True),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("result", sa.Text),
    sa.Index("janitor_runs_by_time", "started_at"),
)
sa.Table(
    "hook_calls",
    _metadata,
    sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    sa.Column("call_id", ID, nullable=False),
    sa.Column("job_id", ID, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary(1 << 24), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("due_at", sa.Double),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("delivered_at", sa.Double),
    sa.Column("last_error", sa.Text),
    sa.Index("hook_calls_by_due", "due_at"),
    sa.Index("hook_calls_by_job", "job_id", "seq"),
    sqlite_autoincrement=True,
)


def upgrade(connection: sa.Connection) -> None:
    """Add columns with what older rows mean by having none, and the new tables."""
    for statement in _statements(connection):
        connection.exec_driver_sql(statement)
    _metadata.create_all(connection, checkfirst=False)


def _statements(connection: sa.Connection) -> Iterator[str]:
    for table, columns in _CHANGED.items():
        for name, kind, default in columns:
            column = kind.compile(connection.dialect)
            rule = "" if default is None else f" NOT NULL DEFAULT {default}"
            yield f"ALTER TABLE {table} ADD COLUMN {name} {column}{rule}"
    yield "CREATE UNIQUE INDEX jobs_by_idempotency_key ON jobs (requester_id, idempotency_key)"
    yield "CREATE INDEX jobs_by_end ON jobs (ended_at)"
    yield "CREATE INDEX jobs_by_expiry ON jobs (expires_at)"
    yield "UPDATE jobs SET ready_at = created_at"
    # Or nothing would ever remove what had ended before.
    yield "UPDATE jobs SET ended_at = last_update WHERE state IN ('completed', 'failed', 'canceled')"
