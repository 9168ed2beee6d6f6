"""Whether a value conforms to a JSON schema: the words of JSON Schema that params.schema.json uses, and no others."""

import re
from collections.abc import Callable
from typing import Any

TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: TYPES["number"](value) and float(value).is_integer(),
}
CHECKS: dict[str, Callable[[Any, Any], bool]] = {
    "type": lambda value, wanted: TYPES[wanted](value),
    "enum": lambda value, wanted: value in wanted,
    "const": lambda value, wanted: value == wanted,
    "minimum": lambda value, wanted: value >= wanted,
    "maximum": lambda value, wanted: value <= wanted,
    "exclusiveMinimum": lambda value, wanted: value > wanted,
    "exclusiveMaximum": lambda value, wanted: value < wanted,
    "pattern": lambda value, wanted: re.search(wanted, value) is not None,
    "minItems": lambda value, wanted: len(value) >= wanted,
    "maxItems": lambda value, wanted: len(value) <= wanted,
    "uniqueItems": lambda value, wanted: not wanted or len(set(map(repr, value))) == len(value),
    "minProperties": lambda value, wanted: len(value) >= wanted,
    "required": lambda value, wanted: set(wanted) <= set(value),
}
WORDS = {*CHECKS, "$ref", "$defs", "$schema", "title", "description", "anyOf", "items", "properties", "additionalProperties"}


def fits(value: Any, part: dict[str, Any], root: dict[str, Any] | None = None) -> bool:
    """Raises AssertionError for a word of JSON Schema that is not known here."""
    root = root or part
    assert set(part) <= WORDS, f"teach this {set(part) - WORDS}"
    if "$ref" in part:
        return fits(value, root["$defs"][part["$ref"].removeprefix("#/$defs/")], root)
    if "anyOf" in part:
        return any(fits(value, option, root) for option in part["anyOf"])
    if "type" in part and not TYPES[part["type"]](value):
        return False
    if not all(check(value, part[word]) for word, check in CHECKS.items() if word in part):
        return False
    if part.get("type") == "array":
        return all(fits(item, part["items"], root) for item in value)
    if part.get("type") == "object":
        known, others = part.get("properties", {}), part["additionalProperties"]
        return all(fits(v, known.get(k, others), root) if k in known or others else False for k, v in value.items())
    return True
