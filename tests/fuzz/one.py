"""One target under atheris; takes its name and libFuzzer's flags. `python -m tests.fuzz` starts it.

`--as=FILE` names the program by which libFuzzer starts itself again.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["dffmpeg"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until a limit among the flags, or a finding; atheris ends the process."""
    program, name, *flags = sys.argv
    if flags and flags[0].startswith("--as="):
        program = flags.pop(0).removeprefix("--as=")
    atheris.Setup([program, *flags], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
