"""The tables as they are now. The migrations lead there; a test holds the two together.

Times are Unix seconds in a double: microseconds survive until long after
anybody's retention, and every engine has the type. Lists of byte strings are
MessagePack: exact, and no engine's collation ever touches a file name.
"""

from __future__ import annotations

import sqlalchemy as sa

from dffmpeg.model.abilities import Abilities
from dffmpeg.model.jobs import Executed
from dffmpeg.model.needs import Needs
from dffmpeg.model.progress import Progress
from dffmpeg.model.rules import Rules
from dffmpeg.store.columns import BYTES, ID, NUMBER, TEXT, Json, Packed

metadata = sa.MetaData()

NAMES = Json(tuple[str, ...])
COUNTS = Json(dict[str, int])
TEXTS = Json(dict[str, str])
LENGTHS = Json(dict[int, int])

schema_version = sa.Table(
    "schema_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("applied_at", sa.Double, nullable=False),
    # Whether programs that do not know this version can use the tables all the same.
    sa.Column("expands", sa.SmallInteger, nullable=False),
)

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("client_id", ID, primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("key", TEXT, nullable=False),
    sa.Column("allowed_networks", TEXT, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    # The key before this one, which is still good until then.
    sa.Column("previous_key", TEXT),
    sa.Column("previous_until", sa.Double),
    sa.Column("expires_at", sa.Double),
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
    sa.Column("launch", BYTES),
    sa.Column("name", TEXT),
    sa.Column("labels", NAMES, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("needs", Json(Needs), nullable=False),
    sa.Column("rules", Json(Rules), nullable=False),
    sa.Column("predecessors", NAMES, nullable=False),
    sa.Column("blocked", sa.Integer, nullable=False),
    sa.Column("idempotency_key", ID),
    sa.Column("losses", sa.Integer, nullable=False),
    sa.Column("ready_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("expires_at", sa.Double),
    sa.Column("size", sa.Double),
    sa.Column("resources", COUNTS, nullable=False),
    sa.Column("substitutions", TEXTS, nullable=False),
    sa.Column("hindrance", TEXT),
    sa.Column("progress", Json(Progress)),
    sa.Column("begun", Packed(dict[bytes, int]), nullable=False),
    sa.Column("retry_of", ID),
    sa.Column("last_line", TEXT),
    sa.Index("jobs_by_state", "state", "created_at", "job_id"),
    sa.Index("jobs_by_worker", "worker_id", "state"),
    sa.Index("jobs_by_requester", "requester_id", "created_at"),
    sa.Index("jobs_by_update", "last_update"),
    sa.Index("jobs_by_end", "ended_at"),
    sa.Index("jobs_by_expiry", "expires_at"),
    sa.Index("jobs_by_idempotency_key", "requester_id", "idempotency_key", unique=True),
)

# What a job still waits for: a row goes when its predecessor completes, or when the job itself ends.
job_predecessors = sa.Table(
    "job_predecessors",
    metadata,
    sa.Column("job_id", ID, primary_key=True),
    sa.Column("predecessor_id", ID, primary_key=True),
    # How the predecessor ended, where that is why the job cannot start any more.
    sa.Column("outcome", sa.String(16)),
    sa.Index("job_predecessors_by_predecessor", "predecessor_id"),
    sa.Index("job_predecessors_by_outcome", "outcome"),
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
    sa.Column("stderr_end", BYTES),
    sa.Column("substitutions", TEXTS, nullable=False),
    sa.Column("outputs", LENGTHS),
    sa.Column("executed", Packed(Executed)),
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
    sa.Column("labels", NAMES, nullable=False),
    sa.Column("resources", COUNTS, nullable=False),
    sa.Column("weight", sa.Double, nullable=False),
    # Large, and the same in most rows.
    sa.Column("abilities", Json(dict[str, Abilities], remembered=4096), nullable=False),
    sa.Column("abilities_digest", sa.String(64)),
    sa.Column("benchmark", sa.Double),
    sa.Column("substitutions", TEXTS, nullable=False),
    sa.Column("hours", TEXT),
    sa.Column("mounts", TEXTS, nullable=False),
    sa.Column("hold", sa.String(16)),
    sa.Column("hold_reason", TEXT),
    sa.Column("hold_until", sa.Double),
    sa.Column("strikes", sa.Integer, nullable=False),
    # Which process it is, and the coordinator that looks after it.
    sa.Column("instance", ID),
    sa.Column("home", ID),
    # What shows on the worker's machine that there is no other process of it.
    sa.Column("sole_on", sa.String(64)),
    sa.Column("load", sa.Double),
    sa.Column("read_only", NAMES, nullable=False),
)

messages = sa.Table(
    "messages",
    metadata,
    # The cursor. A recipient's numbers become visible in their own order, so that a reader that has seen
    # one has seen all before it: one writer inserts, or several take turns.
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

# Where several coordinators write: whoever inserts a message counts its recipient's turns up first, and so
# holds the row, and the others, until the commit. A number that is drawn in between is later than all before.
message_turns = sa.Table(
    "message_turns",
    metadata,
    sa.Column("recipient_id", ID, primary_key=True),
    sa.Column("turn", NUMBER, nullable=False),
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

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("name", ID, primary_key=True),
    sa.Column("value", TEXT, nullable=False),
    sa.Column("changed_at", sa.Double, nullable=False),
)

janitor_runs = sa.Table(
    "janitor_runs",
    metadata,
    sa.Column("run_id", ID, primary_key=True),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("result", TEXT),
    sa.Index("janitor_runs_by_time", "started_at"),
)

hook_calls = sa.Table(
    "hook_calls",
    metadata,
    # The order in which a job's calls are made.
    sa.Column("seq", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("call_id", ID, nullable=False),
    sa.Column("job_id", ID, nullable=False),
    sa.Column("url", TEXT, nullable=False),
    sa.Column("body", BYTES, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    # When it is tried next; nothing once it was delivered or given up.
    sa.Column("due_at", sa.Double),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("delivered_at", sa.Double),
    sa.Column("last_error", TEXT),
    sa.Index("hook_calls_by_due", "due_at"),
    sa.Index("hook_calls_by_job", "job_id", "seq"),
    sqlite_autoincrement=True,
)

coordinators = sa.Table(
    "coordinators",
    metadata,
    # Of a process, not of a machine: each start is a new one.
    sa.Column("coordinator_id", ID, primary_key=True),
    # Where the others reach it.
    sa.Column("address", TEXT),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("version", TEXT),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("renewed_at", sa.Double, nullable=False),
    # Counts the signs of life: others see it grow by their own clocks, so that nobody's has to be right.
    sa.Column("renewals", sa.BigInteger, nullable=False),
)

changes = sa.Table(
    "changes",
    metadata,
    # Two transactions may become visible in another order than their numbers'.
    sa.Column("seq", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("coordinator_id", ID, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("subject", ID, nullable=False),
    sa.Index("changes_by_time", "at"),
    sqlite_autoincrement=True,
)

# Of what lets somebody in, only the SHA-256 is kept: who reads the table has nothing to come in with.

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("client_id", ID, nullable=False),
    # Of what the identity was: another key or role is the end of it.
    sa.Column("stamp", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Index("sessions_by_client", "client_id"),
    sa.Index("sessions_by_expiry", "expires_at"),
)

# What may be redeemed once: whoever deletes the row has redeemed it, or by whom it says that it is used.
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("client_id", ID),
    sa.Column("role", sa.String(16)),
    sa.Column("allowed_networks", TEXT, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    # What whoever joins by it proves to know, encrypted as keys are; and who did, who may ask again.
    sa.Column("verifier", TEXT),
    sa.Column("used_by", ID),
    sa.Index("tokens_by_expiry", "expires_at"),
)

# Signatures that were used: inserting one twice is what a replay does.
nonces = sa.Table(
    "nonces",
    metadata,
    sa.Column("client_id", ID, primary_key=True),
    sa.Column("nonce", sa.String(64), primary_key=True),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Index("nonces_by_expiry", "expires_at"),
)

# Who did what. An entry is never changed.
audit = sa.Table(
    "audit",
    metadata,
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

# What each coordinator counted within so many seconds from a time on.
samples = sa.Table(
    "samples",
    metadata,
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("coordinator_id", ID, primary_key=True),
    sa.Column("figures", TEXT, nullable=False),
)
