"""Searches a text for patterns, in a process of its own: one pattern may keep a processor busy for ever.

Started with `-I -S`, so it knows nothing of the project. Standard input holds the number of patterns,
then for each, and for the text, its length in bytes, a newline, and the bytes. The exit status is
0 if one is found and 1 if none is.
"""

import re
import resource
import sys
from typing import BinaryIO

SECONDS = 2
MEMORY = 1 << 30


def main() -> int:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    source = sys.stdin.buffer
    patterns = [_take(source) for _ in range(int(source.readline()))]
    text = _take(source)
    return 0 if any(re.search(pattern, text, re.MULTILINE) for pattern in patterns) else 1


def _take(source: BinaryIO) -> bytes:
    return source.read(int(source.readline()))


if __name__ == "__main__":
    sys.exit(main())
