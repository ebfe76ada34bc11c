"""Two runs at the same time never get the same port, also while nobody listens there."""

from __future__ import annotations

import subprocess
import sys

from tests.servers.ports import SHARE, free_port

OTHER = "from tests.servers.ports import free_port; print(*(free_port() for _ in range(200)))"


def test_another_run_gets_none_of_ours() -> None:
    ours = {free_port() for _ in range(SHARE)}
    answer = subprocess.run([sys.executable, "-c", OTHER], check=True, capture_output=True, text=True)
    theirs = {int(port) for port in answer.stdout.split()}
    assert len(theirs) == 200
    assert not ours & theirs
