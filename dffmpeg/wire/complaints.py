"""What the JSON library says of a value that does not fit, in the words that people are used to."""

from __future__ import annotations

import re

from dffmpeg.wire import trace

_KINDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "datetime": "a time",
    "bytes": "base64",
}
_COMPARED = {"<=": "of at most", ">=": "of at least", "<": "below", ">": "above"}
_LENGTHS = {"<=": "at most", ">=": "at least"}
_PATTERNS = {
    r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\Z": "of letters, digits, '_', '-' and '.'",
    r"^[0-7][0-9A-HJKMNP-TV-Z]{25}\Z": "that is a ULID",
    r"\A[A-Za-z0-9]{1,64}\Z": "of at most 64 letters and digits",
    r"\A[^\x00]+\Z": "without a NUL character",
    r"\A[0-9a-f]{64}\Z": "of 64 hexadecimal digits in lower case",
    r"^https?://": "that begins with http:// or https://",
    trace.PATTERN: "that is a traceparent, as W3C Trace Context has it",
}
"""What the patterns of the wire's types mean; a test holds the two together."""

_EXPECTED = re.compile(
    r"Expected `(?P<kinds>[^`]+)`"
    r"(?: of length (?P<length>[<>]=) (?P<size>\d+)|(?: (?P<compared>[<>]=?) (?P<bound>\S+))"
    r"| matching regex (?P<pattern>.+))?"
    r"(?:, got `(?P<got>[^`]+)`)?"
)


def in_words(message: str) -> str:
    """What was expected, and what is there where the library says so; its own words where they are others."""
    missing = re.fullmatch(r"Object missing required field `(\w+)`", message)
    if missing:
        return f"{missing[1]} is missing"
    found = _EXPECTED.fullmatch(message)
    if found is None:
        return message[:1].lower() + message[1:].replace("`", "'")
    got = f", got {_kinds(found['got'])}" if found["got"] else ""
    return f"expected {_kinds(found['kinds'])}{_limit(found)}{got}"


def _kinds(text: str) -> str:
    names = [_KINDS.get(kind, kind) for kind in text.split(" | ")]
    return " or ".join(names)


def _limit(found: re.Match[str]) -> str:
    if found["length"]:
        things = "characters" if "str" in found["kinds"] else "values"
        return f" of {_LENGTHS[found['length']]} {found['size']} {things}"
    if found["compared"]:
        return f" {_COMPARED[found['compared']]} {found['bound']}"
    if found["pattern"]:
        pattern = found["pattern"].strip("'").replace("\\\\", "\\")
        return f" {_PATTERNS.get(pattern, 'that matches ' + pattern)}"
    return ""
