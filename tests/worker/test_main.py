"""`dffmpeg-worker` as its init system sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dffmpeg.wire import signature


def test_a_transport_that_is_not_installed_is_named_with_file_and_key(tmp_path: Path) -> None:
    config = tmp_path / "worker.toml"
    config.write_text(
        'coordinator_url = "http://127.0.0.1:1"\n'
        'client_id = "w1"\n'
        f'hmac_key = "{signature.encode_key(bytes(32))}"\n'
        'transports = ["pigeon"]\n'
        f'cache = "{tmp_path}"\n'
    )
    config.chmod(0o600)
    ended = subprocess.run(
        [sys.executable, "-m", "dffmpeg.worker", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"dffmpeg-worker: {config}: transports: there is no transport 'pigeon'")
