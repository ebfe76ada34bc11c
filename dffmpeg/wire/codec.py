"""JSON in and out. What does not fit becomes `BadInput`, which names the field.

Unknown fields are ignored, so that versions can differ.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from dffmpeg.errors import BadInput, MalformedInput
from dffmpeg.wire.complaints import in_words

T = TypeVar("T")

_WHOLE = re.compile(
    rb"(?:[^\\]|\\[^u]|\\u(?!d[89a-f])[0-9a-f]{4}|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})*+", re.IGNORECASE
)
"""All that goes before the first escape that is none, or is half of a character."""
_HALF = re.compile(
    rb"\\ud(?:[c-f][0-9a-f]{2}|[89ab][0-9a-f]{2}(?=[^\\]|\\[^u]|\\u(?:[^d]|d[^c-f])))", re.IGNORECASE
)
"""Half of a character, behind which the other half is missing; not where the text breaks off."""


def decode(body: bytes | str, kind: type[T], *, what: str = "body") -> T:
    """Parse and validate JSON.

    Args:
        body: JSON text (RFC 8259): no NaN, no lone surrogates.
        kind: the `msgspec.Struct` that it must fit.
        what: how an error names the whole.

    Raises:
        MalformedInput: it is not JSON.
        BadInput: a wrong type, or a required field missing.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BadInput(_name_field(str(error), what)) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MalformedInput(f"{what} is not valid JSON: {_fault(body) or error}") from None
    except RecursionError:
        raise MalformedInput(f"{what} is nested too deeply") from None


def _fault(body: bytes | str) -> str | None:
    """What is wrong with a text that is no JSON, where the parser's own words would mislead."""
    if not body:
        return "it is empty"
    # Behind one half the parser looks for the other one, and calls the text truncated.
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    whole = _WHOLE.match(content)
    half = _HALF.match(content, whole.end() if whole else 0)
    if half is None:
        return None
    place = f"{half[0].decode()} (byte {half.start()})"
    return f"{place} is half of a surrogate pair; give both halves, or leave it out"


def _name_field(text: str, what: str) -> str:
    """`Expected `int` - at `$.a`` with the field in front, which is what a reader looks for."""
    message, _, place = text.partition(" - at `")
    field = place.removesuffix("`").removeprefix("$").removeprefix(".")
    return f"{field or what}: {in_words(message)}"


def encode(value: Any) -> bytes:
    """A struct (or a mapping of plain values) as JSON text."""
    return msgspec.json.encode(value)


def to_builtins(value: Any) -> Any:
    """A struct as plain dictionaries, lists and scalars."""
    return msgspec.to_builtins(value)
