"""`dffmpeg-coordinator` as its init system sees it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path


def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "coordinator.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(f'port = {port}\n[database.engine_defaults.sqlite]\npath = "x.db"\n')
        ended = subprocess.run(
            [sys.executable, "-m", "dffmpeg.coordinator", "--config", config],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ended.returncode == 2
    assert ended.stderr == (
        f"dffmpeg-coordinator: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
    )
