"""pydantic's list of errors in our words: each key with what was found and what was wanted."""

import types
import typing
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from prunescope.study.fields import NoneAs, Table, basic, wanted

MISTYPED = ("bool_type", "dict_type", "float_type", "int_type", "model_type", "string_type", "tuple_type")


def problems_of(error: ValidationError, model: type[Table]) -> list[str]:
    """One line a key, in the order of the file's description; unknown keys come after the known ones of their table."""
    lines: dict[str, str] = {}  # a key of several types has an error for each, and needs one line
    every = error.errors(include_url=False, include_context=False)
    for found in every:
        below = [of for of in every if of["loc"][:-1] == found["loc"] and len(of["loc"]) > len(found["loc"])]
        if found["type"] == "too_short" and below:
            continue  # pydantic counts what is right alone; each of the wrong ones has its own line
        key, line = _problem(found["type"], found["loc"], found["input"], model)
        lines.setdefault(key, f"{key}: {line}")
    return list(lines.values())


def _problem(kind: str, loc: tuple[int | str, ...], value: Any, model: type[Table]) -> tuple[str, str]:
    """(key, what is wrong with it) of one error at the place `loc` of the file."""
    key, type_, field = "", typing.cast(Any, model), None
    for part in loc:
        if part == "[key]":
            return key, "found a name that YAML does not read as text, wanted it in quotes"
        if typing.get_origin(type_) is tuple:
            key, type_, field = f"{key}[{part}]", typing.get_args(type_)[0], None
        elif typing.get_origin(type_) is dict:
            key, type_, field = f"{key}.{part}", typing.get_args(type_)[1], None
        elif isinstance(type_, type) and issubclass(type_, Table):
            table, name = type_, str(value if kind == "invalid_key" and part == loc[-1] else part)
            key = f"{key}.{name}" if key else name
            if name not in table.model_fields:
                return key, f"unknown key; known here: {', '.join(table.model_fields)}"
            field = table.model_fields[name]
            type_ = field.annotation
        # else: which of a key's types pydantic tried
    if kind == "missing" and field is not None:
        return key, f"missing; wanted {wanted(field)}"
    return key or "the file", f"found {value!r}, wanted {_wanted(kind, type_, field)}"


def _wanted(kind: str, type_: Any, field: FieldInfo | None) -> str:
    """Where the type is wrong the type is enough, if there is but one."""
    if kind == "finite_number":
        return "a finite number"
    several = field is not None and (any(isinstance(of, NoneAs) for of in field.metadata) or _is_union(type_))
    if field is None or (kind in MISTYPED and not several):
        return basic(type_)
    return wanted(field)


def _is_union(type_: Any) -> bool:
    return typing.get_origin(type_) in (typing.Union, types.UnionType)
