"""The architecture's direction of imports, as pyproject.toml states it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"


def test_imports_run_downwards() -> None:
    # In a process of its own: it configures logging, which disables every logger that is there already.
    ended = subprocess.run(
        [sys.executable, "-c", LINT], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stdout
