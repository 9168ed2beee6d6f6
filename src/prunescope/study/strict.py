"""Plain YAML into frozen dataclasses, strictly: unknown, missing, mistyped and out-of-range values are all collected.

A dataclass is the schema. Its fields carry what is wanted of them (`number`, `one_of`, ...); nested dataclasses, tuples, dicts of
rows and `X | None` are understood.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from dataclasses import field
from typing import Any

import yaml


def number(wanted: str, check: Callable[[Any], bool]) -> Any:
    """A field whose value must pass `check`; `wanted` says so in the error."""
    return field(metadata={"wanted": wanted, "check": check})


def one_of(*names: str) -> Any:
    return number("one of " + ", ".join(names), lambda value: value in names)


def positive() -> Any:
    return number("a number above 0", lambda value: value > 0)


def not_negative() -> Any:
    return number("a number of at least 0", lambda value: value >= 0)


def fraction() -> Any:
    return number("a number in [0, 1]", lambda value: 0 <= value <= 1)


def level() -> Any:
    return number("a fraction in [0, 1): the share of weights that is removed", lambda value: 0 <= value < 1)


def some() -> Any:
    return number("at least one, none twice", lambda value: len(value) > 0 and len(set(value)) == len(value))


class UniqueKeys(yaml.SafeLoader):
    """A key that stands twice is an error: YAML would silently take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(problem=f"{', '.join(twice)} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def build(kind: Any, value: Any, key: str, problems: list[str]) -> Any:
    """`value` as `kind`; on a mismatch adds to `problems` and returns None."""
    if dataclasses.is_dataclass(kind):
        return _build_object(kind, value, key, problems)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType and type(None) in arguments:
        return None if value is None else build(arguments[0], value, key, problems)
    if origin is types.UnionType:
        kind = next((kind for kind in arguments if type(value) is kind), arguments[0])
        return build(kind, value, key, problems)
    if origin is tuple:
        if not isinstance(value, list):
            return _wrong(key, value, "a list", problems)
        return tuple(build(arguments[0], item, f"{key}[{n}]", problems) for n, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict) or not value:
            return _wrong(key, value, "a table with at least one row", problems)
        return {str(name): build(arguments[1], row, f"{key}.{name}", problems) for name, row in value.items()}
    return _build_scalar(kind, value, key, problems)


def _build_object(kind: Any, value: Any, key: str, problems: list[str]) -> Any:
    fields, hints = dataclasses.fields(kind), typing.get_type_hints(kind)
    if not isinstance(value, dict):
        return _wrong(key or "the file", value, "a table with " + ", ".join(f.name for f in fields), problems)
    names = [f.name for f in fields]
    prefix = f"{key}." if key else ""
    problems.extend(f"{prefix}{name}: unknown key; known here: {', '.join(names)}" for name in value if name not in names)
    built = {}
    for f in fields:
        if f.name not in value:
            problems.append(f"{prefix}{f.name}: missing; wanted {f.metadata.get('wanted', hints[f.name])}")
            continue
        before = len(problems)
        item = build(hints[f.name], value[f.name], prefix + f.name, problems)
        check = f.metadata.get("check")
        if len(problems) == before and check and item is not None and not check(item):
            _wrong(prefix + f.name, value[f.name], f.metadata["wanted"], problems)
        built[f.name] = item
    return kind(**built) if len(built) == len(fields) else None


def _build_scalar(kind: type, value: Any, key: str, problems: list[str]) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        if (kind is float and value != value) or value in (float("inf"), -float("inf")):
            return _wrong(key, value, "a finite number", problems)
        return value
    wanted = {float: "a number", int: "a whole number", str: "a name", bool: "true or false"}[kind]
    if kind in (float, int) and isinstance(value, str) and _reads_as_number(value):
        wanted += "; YAML 1.1 reads a number like 1e-3 as text: write 0.001 or 1.0e-3"
    return _wrong(key, value, wanted, problems)


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _wrong(key: str, value: Any, wanted: str, problems: list[str]) -> None:
    problems.append(f"{key}: found {value!r}, wanted {wanted}")
