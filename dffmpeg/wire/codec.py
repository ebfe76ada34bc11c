"""JSON in and out. What does not fit becomes `BadInput`, which names the field.

Unknown fields are ignored, so that versions can differ.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from dffmpeg.errors import BadInput, MalformedInput
from dffmpeg.wire.complaints import in_words

T = TypeVar("T")


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
        raise MalformedInput(f"{what} is not valid JSON: {error if body else 'it is empty'}") from None
    except RecursionError:
        raise MalformedInput(f"{what} is nested too deeply") from None


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
