"""What a session stands for, and what ends it."""

from dataclasses import replace
from typing import Any

import pytest

from dffmpeg.model.access import is_owner, may_command, may_see, sees_all
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.sessions import Session, csrf_of, digest_of, holds, new_secret, stamp_of
from tests.conformance.rows import job

ALICE = Identity(client_id="alice", role=Role.ADMIN, key=b"a" * 32)


def test_secrets_are_long_and_no_two_the_same() -> None:
    found = {new_secret() for _ in range(1000)}
    assert len(found) == 1000
    assert {len(secret) for secret in found} == {43}
    assert all(secret.replace("-", "").replace("_", "").isalnum() for secret in found)


def test_nothing_that_is_kept_or_shown_is_the_secret() -> None:
    secret = new_secret()
    shown = (digest_of(secret), csrf_of(secret), stamp_of(ALICE, ALICE.key))
    assert len(set(shown)) == 3
    assert all(len(text) == 64 for text in shown)
    assert csrf_of(secret) != csrf_of(new_secret())


@pytest.mark.parametrize(
    ("change", "later", "still"),
    [
        ({}, 0.0, True),
        ({}, 99.9, True),
        ({}, 100.0, False),
        ({"key": b"b" * 32}, 0.0, False),
        ({"role": Role.VIEWER}, 0.0, False),
        ({"client_id": "bob"}, 0.0, False),
        ({"allowed_networks": ("10.0.0.0/8",)}, 0.0, True),
    ],
)
def test_it_lasts_for_a_time_and_for_what_the_identity_was(
    change: dict[str, Any], later: float, still: bool
) -> None:
    session = Session(
        digest="0",
        client_id="alice",
        stamp=stamp_of(ALICE, ALICE.key),
        created_at=1000.0,
        expires_at=1100.0,
    )
    assert holds(session, replace(ALICE, **change), 1000.0 + later) is still
    assert not holds(session, None, 1000.0)


@pytest.mark.parametrize("name", ["alice", "w1", ""])
def test_a_viewer_sees_all_and_owns_nothing(name: str) -> None:
    viewer = Identity(client_id=name, role=Role.VIEWER, key=b"")
    theirs = replace(job("j"), requester_id=name, worker_id=name)
    assert sees_all(viewer)
    assert may_see(viewer, theirs)
    assert not may_command(viewer, theirs)
    assert not is_owner(viewer, theirs)
