"""What scheduling, retrying and administration have to know.

Its tables stand in `schema.py` nearly as here, and are written out again on purpose: that page moves on,
and this copy stays as it is.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dffmpeg.store.columns import BYTES, ID, NUMBER, TEXT
from dffmpeg.store.migrations import ddl

_Columns = tuple[tuple[str, sa.types.TypeEngine[Any], str | int | bytes | None], ...]

_JOBS: _Columns = (
    ("name", TEXT, None),
    ("labels", TEXT, "[]"),
    ("priority", sa.Integer(), 0),
    ("needs", TEXT, "{}"),
    ("rules", TEXT, "{}"),
    ("predecessors", TEXT, "[]"),
    ("blocked", sa.Integer(), 0),
    ("idempotency_key", ID, None),
    ("losses", sa.Integer(), 0),
    ("ready_at", sa.Double(), None),
    ("ended_at", sa.Double(), None),
    ("expires_at", sa.Double(), None),
    ("size", sa.Double(), None),
    ("resources", TEXT, "{}"),
    ("substitutions", TEXT, "{}"),
    ("hindrance", TEXT, None),
    ("progress", TEXT, None),
    ("begun", BYTES, b"\x80"),
    ("retry_of", ID, None),
)
_ATTEMPTS: _Columns = (
    ("stderr_end", BYTES, None),
    ("substitutions", TEXT, "{}"),
)
_WORKERS: _Columns = (
    ("labels", TEXT, "[]"),
    ("resources", TEXT, "{}"),
    ("weight", sa.Double(), 1),
    ("abilities", TEXT, "{}"),
    ("abilities_digest", sa.String(64), None),
    ("benchmark", sa.Double(), None),
    ("substitutions", TEXT, "{}"),
    ("hours", TEXT, None),
    ("mounts", TEXT, "{}"),
    ("hold", sa.String(16), None),
    ("hold_reason", TEXT, None),
    ("hold_until", sa.Double(), None),
    ("strikes", sa.Integer(), 0),
)
_CHANGED = {"jobs": _JOBS, "attempts": _ATTEMPTS, "workers": _WORKERS}

_metadata = sa.MetaData()
sa.Table(
    "settings",
    _metadata,
    sa.Column("name", ID, primary_key=True),
    sa.Column("value", TEXT, nullable=False),
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
    sa.Column("result", TEXT),
    sa.Index("janitor_runs_by_time", "started_at"),
)
sa.Table(
    "hook_calls",
    _metadata,
    sa.Column("seq", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("call_id", ID, nullable=False),
    sa.Column("job_id", ID, nullable=False),
    sa.Column("url", TEXT, nullable=False),
    sa.Column("body", BYTES, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("due_at", sa.Double),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("delivered_at", sa.Double),
    sa.Column("last_error", TEXT),
    sa.Index("hook_calls_by_due", "due_at"),
    sa.Index("hook_calls_by_job", "job_id", "seq"),
    sqlite_autoincrement=True,
)


def upgrade(connection: sa.Connection) -> None:
    """Add columns with what older rows mean by having none, and the new tables."""
    for table, columns in _CHANGED.items():
        for name, kind, default in columns:
            ddl.add_column(connection, table, name, kind, default)
    ddl.run(connection, "CREATE UNIQUE INDEX jobs_by_idempotency_key ON jobs (requester_id, idempotency_key)")
    ddl.run(connection, "CREATE INDEX jobs_by_end ON jobs (ended_at)")
    ddl.run(connection, "CREATE INDEX jobs_by_expiry ON jobs (expires_at)")
    ddl.run(connection, "UPDATE jobs SET ready_at = created_at WHERE ready_at IS NULL")
    # Or nothing would ever remove what had ended before.
    ddl.run(
        connection,
        "UPDATE jobs SET ended_at = last_update"
        " WHERE ended_at IS NULL AND state IN ('completed', 'failed', 'canceled')",
    )
    ddl.create(connection, _metadata)
