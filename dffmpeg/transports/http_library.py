"""httpx, without its command line.

Where click, pygments and rich can be imported, httpx imports all three for a program that nobody here runs,
and each of our commands would take a third of a second longer.
"""

from __future__ import annotations

import sys

_COMMAND_LINE = "httpx._main"

if "httpx" in sys.modules:
    import httpx
else:
    # This is how an import is refused; httpx takes it as that those libraries are not there.
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
    try:
        import httpx
    finally:
        del sys.modules[_COMMAND_LINE]

__all__ = ["httpx"]
