"""The first tables, as they were then: this copy stays as it is when the schema moves on."""

from __future__ import annotations

import sqlalchemy as sa

from dffmpeg.store.columns import BYTES, ID, NUMBER, TEXT
from dffmpeg.store.migrations import ddl

metadata = sa.MetaData()

schema_version = sa.Table(
    "schema_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("applied_at", sa.Double, nullable=False),
)

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("client_id", ID, primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("key", TEXT, nullable=False),
    sa.Column("allowed_networks", TEXT, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", ID, primary_key=True),
    sa.Column("requester_id", ID, nullable=False),
    sa.Column("binary_name", ID, nullable=False),
    sa.Column("arguments", BYTES, nullable=False),
    sa.Column("paths", TEXT, nullable=False),
    sa.Column("working_directory", BYTES),
    sa.Column("client_paths", BYTES, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("worker_id", ID),
    sa.Column("exit_code", sa.BigInteger),
    sa.Column("signal", sa.Integer),
    sa.Column("reason", TEXT),
    sa.Column("monitor", sa.Boolean, nullable=False),
    sa.Column("heartbeat_interval", sa.Double, nullable=False),
    sa.Column("transport", sa.String(64)),
    sa.Column("transport_metadata", TEXT, nullable=False),
    sa.Column("supported_transports", TEXT, nullable=False),
    sa.Column("pending_timeout", sa.Double),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("not_before", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("last_update", sa.Double, nullable=False),
    sa.Column("worker_last_seen", sa.Double),
    sa.Column("client_last_seen", sa.Double),
    sa.Column("excluded_worker", ID),
    sa.Index("jobs_by_state", "state", "created_at", "job_id"),
    sa.Index("jobs_by_worker", "worker_id", "state"),
    sa.Index("jobs_by_requester", "requester_id", "created_at"),
    sa.Index("jobs_by_update", "last_update"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("job_id", ID, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("worker_id", ID, nullable=False),
    sa.Column("assigned_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("outcome", sa.String(16)),
    sa.Column("exit_code", sa.BigInteger),
    sa.Column("signal", sa.Integer),
    sa.Column("reason", TEXT),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("worker_id", ID, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("capabilities", TEXT, nullable=False),
    sa.Column("binaries", TEXT, nullable=False),
    sa.Column("paths", TEXT, nullable=False),
    sa.Column("supported_transports", TEXT, nullable=False),
    sa.Column("registration_interval", sa.Double, nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("version", TEXT),
    sa.Column("transport", sa.String(64)),
    sa.Column("transport_metadata", TEXT, nullable=False),
    sa.Column("registration_token", sa.String(128)),
    sa.Column("draining", sa.Boolean, nullable=False),
    sa.Column("last_seen", sa.Double, nullable=False),
    sa.Column("registered_at", sa.Double, nullable=False),
)

messages = sa.Table(
    "messages",
    metadata,
    # The cursor. One writer inserts, so numbers become visible in their own order and a
    # reader that has seen one has seen all before it.
    sa.Column("seq", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("message_id", ID, nullable=False),
    sa.Column("sender_id", ID),
    sa.Column("recipient_id", ID, nullable=False),
    sa.Column("job_id", ID),
    sa.Column("timestamp", sa.Double, nullable=False),
    sa.Column("message_type", sa.String(64), nullable=False),
    sa.Column("payload", TEXT, nullable=False),
    sa.Index("messages_by_recipient", "recipient_id", "seq"),
    sa.Index("messages_by_id", "message_id", unique=True),
    sa.Index("messages_by_time", "timestamp"),
    sqlite_autoincrement=True,
)

stream_chunks = sa.Table(
    "stream_chunks",
    metadata,
    sa.Column("job_id", ID, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stream", sa.SmallInteger, primary_key=True, autoincrement=False),
    # The offset behind the chunk's last byte: finding what holds a position is one look into the index.
    sa.Column("end_offset", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("data", BYTES, nullable=False),
)


def upgrade(connection: sa.Connection) -> None:
    """Create them."""
    ddl.create(connection, metadata)
