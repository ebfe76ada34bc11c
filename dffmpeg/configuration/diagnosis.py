"""Why a table does not fit its struct, in a person's words: the key, what was expected, what is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import inspect

from dffmpeg.configuration.checks.values import did_you_mean
from dffmpeg.configuration.common import Section

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def explain(data: dict[str, Any], kind: type[Section]) -> str | None:
    """The first thing that is wrong, as "key: what was expected"; None if nothing is found."""
    return next(_faults(data, inspect.type_info(kind), ""), None)


def _faults(value: Any, expected: inspect.Type, place: str) -> Iterator[str]:
    words = describe(expected)
    if isinstance(expected, inspect.Metadata):
        expected = expected.type
    if isinstance(expected, inspect.UnionType) and isinstance(value, dict):
        # What is written as a table is meant as one.
        expected = next((one for one in expected.types if _fits(value, one)), expected)
    if not _fits(value, expected):
        yield f"{place}: expected {words}, got {_kind(value)}"
    elif isinstance(expected, inspect.StructType):
        yield from _struct_faults(value, expected, place)
    elif isinstance(expected, inspect.DictType):
        for name, entry in value.items():
            yield from _faults(entry, expected.value_type, _join(place, name))
    elif isinstance(expected, inspect.ListType):
        for index, entry in enumerate(value):
            yield from _faults(entry, expected.item_type, f"{place}[{index}]")
    elif not _in_bounds(value, expected):
        yield f"{place}: expected {words}, got {value!r}"


def _struct_faults(table: dict[str, Any], expected: inspect.StructType, place: str) -> Iterator[str]:
    fields = {field.encode_name: field for field in expected.fields}
    for name in table:
        if name not in fields:
            yield f"{_join(place, name)}: unknown key{did_you_mean(name, fields)}"
    for name, field in fields.items():
        if name in table:
            yield from _faults(table[name], field.type, _join(place, name))
        elif field.required:
            yield f"{_join(place, name)}: missing, expected {describe(field.type)}"


def _fits(value: Any, expected: inspect.Type) -> bool:
    """Whether the value's type is right, whatever is inside it."""
    if isinstance(expected, inspect.UnionType):
        return any(_fits(value, one) for one in expected.types)
    if isinstance(expected, inspect.LiteralType):
        return isinstance(value, str)
    if isinstance(value, bool):
        return isinstance(expected, inspect.BoolType | inspect.AnyType)
    return isinstance(value, _PYTHON.get(type(expected), object))


def _in_bounds(value: Any, expected: inspect.Type) -> bool:
    if isinstance(expected, inspect.UnionType):
        return any(_fits(value, one) and _in_bounds(value, one) for one in expected.types)
    if isinstance(expected, inspect.LiteralType):
        return value in expected.values
    if isinstance(expected, inspect.StrType):
        return _text_in_bounds(value, expected)
    if isinstance(expected, inspect.IntType | inspect.FloatType):
        return all(bound is None or holds(value, bound) for bound, holds in _bounds(expected))
    return True


def _text_in_bounds(value: str, expected: inspect.StrType) -> bool:
    if not (expected.min_length or 0) <= len(value) <= (expected.max_length or len(value)):
        return False
    return expected.pattern is None or re.search(expected.pattern, value) is not None


def _bounds(
    expected: inspect.IntType | inspect.FloatType,
) -> list[tuple[float | None, Callable[[float, float], bool]]]:
    return [
        (expected.gt, lambda value, bound: value > bound),
        (expected.ge, lambda value, bound: value >= bound),
        (expected.lt, lambda value, bound: value < bound),
        (expected.le, lambda value, bound: value <= bound),
    ]


def describe(expected: inspect.Type) -> str:
    """A type with its bounds, as a person says it: "an integer from 1 to 1000000"."""
    if isinstance(expected, inspect.Metadata):
        said: str | None = (expected.extra_json_schema or {}).get("description")
        return said or describe(expected.type)
    if isinstance(expected, inspect.UnionType):
        return " or ".join(describe(one) for one in expected.types if not isinstance(one, inspect.NoneType))
    if isinstance(expected, inspect.LiteralType):
        return "one of " + ", ".join(f'"{value}"' for value in expected.values)
    name = _NAMES.get(type(expected), "another value")
    if isinstance(expected, inspect.IntType | inspect.FloatType):
        name += _range(expected)
    if isinstance(expected, inspect.StrType) and expected.max_length is not None:
        name += f" of {expected.min_length or 0} to {expected.max_length} characters"
    return name


def _range(expected: inspect.IntType | inspect.FloatType) -> str:
    low = f" above {expected.gt:g}" if expected.gt is not None else ""
    if expected.ge is not None:
        low = f" from {expected.ge}"
    if expected.le is None:
        return low
    return f"{low} {'to' if expected.ge is not None else 'and at most'} {expected.le}"


_PYTHON: dict[type[inspect.Type], type | tuple[type, ...]] = {
    inspect.StrType: str,
    inspect.IntType: int,
    inspect.FloatType: (int, float),
    inspect.BoolType: bool,
    inspect.ListType: list,
    inspect.DictType: dict,
    inspect.StructType: dict,
    inspect.NoneType: type(None),
}

_NAMES: dict[type[inspect.Type], str] = {
    inspect.StrType: "a string",
    inspect.IntType: "an integer",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.ListType: "an array",
    inspect.DictType: "a table",
    inspect.StructType: "a table",
}


def _kind(value: Any) -> str:
    for kind, name in (
        (bool, "true or false"),
        (str, "a string"),
        (int, "an integer"),
        (float, "a number"),
        (list, "an array"),
        (dict, "a table"),
    ):
        if isinstance(value, kind):
            return name
    return "a date or time"


def _join(place: str, name: str) -> str:
    # A quoted TOML key may hold anything, a line break too.
    shown = name if _BARE_KEY.fullmatch(name) else repr(name)
    return f"{place}.{shown}" if place else shown
