"""People and programs: who is signed in, what may be redeemed once, who did what, what was run, what it
said last, and how busy it was."""

from __future__ import annotations

import sqlalchemy as sa

from dffmpeg.store.columns import BYTES, ID, TEXT
from dffmpeg.store.migrations import ddl

_metadata = sa.MetaData()
sa.Table(
    "sessions",
    _metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("client_id", ID, nullable=False),
    sa.Column("stamp", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Index("sessions_by_client", "client_id"),
    sa.Index("sessions_by_expiry", "expires_at"),
)
sa.Table(
    "tokens",
    _metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("client_id", ID),
    sa.Column("role", sa.String(16)),
    sa.Column("allowed_networks", TEXT, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("verifier", TEXT),
    sa.Column("used_by", ID),
    sa.Index("tokens_by_expiry", "expires_at"),
)
sa.Table(
    "nonces",
    _metadata,
    sa.Column("client_id", ID, primary_key=True),
    sa.Column("nonce", sa.String(64), primary_key=True),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Index("nonces_by_expiry", "expires_at"),
)
sa.Table(
    "audit",
    _metadata,
    sa.Column("entry_id", ID, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("actor", ID, nullable=False),
    sa.Column("via", sa.String(16), nullable=False),
    sa.Column("address", sa.String(64)),
    sa.Column("request_id", sa.String(64)),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("subject", TEXT),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("details", TEXT, nullable=False),
    sa.Index("audit_by_time", "at"),
    sa.Index("audit_by_actor", "actor", "entry_id"),
)
sa.Table(
    "samples",
    _metadata,
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("coordinator_id", ID, primary_key=True),
    sa.Column("figures", TEXT, nullable=False),
)


def upgrade(connection: sa.Connection) -> None:
    """Add the tables, what makes a key one of two, or one for a time, what programs did and said, how busy a
    worker's machine is, and where it lets nothing be changed."""
    ddl.create(connection, _metadata)
    ddl.add_column(connection, "jobs", "last_line", TEXT)
    ddl.add_column(connection, "attempts", "executed", BYTES)
    ddl.add_column(connection, "identities", "previous_key", TEXT)
    ddl.add_column(connection, "identities", "previous_until", sa.Double())
    ddl.add_column(connection, "identities", "expires_at", sa.Double())
    ddl.add_column(connection, "workers", "load", sa.Double())
    ddl.add_column(connection, "workers", "read_only", TEXT, "[]")
