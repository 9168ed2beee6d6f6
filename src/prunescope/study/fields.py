"""What a key of params.yaml can be. Each says its range, unit and meaning once, where the table is described (tables.py).

From there come the checks, what the messages ask for (`wanted`), docs/params.md and params.schema.json.
"""

import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")
BASIC = {float: "a number", int: "a whole number", str: "a name", bool: "true or false"}


class Table(BaseModel):
    """A table of params.yaml: frozen, without defaults; unknown, missing, mistyped and infinite values are errors."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


def number(
    description: str,
    *,
    unit: str = "",
    noun: str = "",
    tail: str = "",
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
) -> Any:
    """A number in a range (gt: above, ge: from, lt: below, le: up to); messages call it `noun` and add `tail`."""
    words = {"unit": unit, "noun": noun, "tail": tail}
    return Field(description=description, gt=gt, ge=ge, lt=lt, le=le, json_schema_extra=dict(words))


def some(description: str, *, pattern: str | None = None, noun: str = "") -> Any:
    """A text, a choice, true or false, or a list; `noun` is what messages call it where the type does not say it."""
    return Field(description=description, pattern=pattern, json_schema_extra={"noun": noun})


def rows(description: str) -> Any:
    """A table whose keys are the user's."""
    return Field(description=description, min_length=1)


def _differ(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError
    return values


# YAML knows lists alone: strict would want a Python tuple. What stands in the list is strict as everywhere.
List = Annotated[tuple[T, ...], Field(strict=False)]
Each = Annotated[tuple[T, ...], Field(strict=False, json_schema_extra={"uniqueItems": True}), AfterValidator(_differ)]  # or none
Distinct = Annotated[
    tuple[T, ...], Field(strict=False, min_length=1, json_schema_extra={"uniqueItems": True}), AfterValidator(_differ)
]
Four = Annotated[tuple[T, ...], Field(strict=False, min_length=4, max_length=4)]  # DVC's matrix names each by its place


@dataclass(frozen=True)
class NoneAs:
    """Annotation of `X | None`: the file says this word for None. A YAML null would not survive `dvc exp run -S`."""

    word: str

    def _read(self, value: Any) -> Any:
        if value is None:
            raise ValueError
        return None if value == self.word else value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(schema)
        options = [{"const": self.word} if option == {"type": "null"} else option for option in found["anyOf"]]
        return found | {"anyOf": options}


def wanted(field: FieldInfo) -> str:
    """What may stand at a key, in words: "a fraction in (0, 0.5], or official"."""
    words = "".join(f", or {entry.word}" for entry in field.metadata if isinstance(entry, NoneAs))
    return _wanted(field.annotation, field.metadata, said(field, "noun")) + words + said(field, "tail")


def said(field: FieldInfo, what: str) -> str:
    """The unit, noun or tail that a field was described with."""
    extra = field.json_schema_extra
    return str(extra.get(what, "")) if isinstance(extra, dict) else ""


def basic(kind: Any) -> str:
    """The same of a type, without its range."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _option(kind, (), said(arguments[1], "noun"))
    if origin is Literal:
        return "one of " + ", ".join(arguments)
    if origin is tuple:
        return "a list"
    if origin is dict:
        return "a table with at least one row"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "a table with " + ", ".join(kind.model_fields)
    return BASIC[kind]


def _wanted(kind: Any, metadata: typing.Sequence[Any], noun: str) -> str:
    limits = {name: getattr(of, name) for of in metadata for name in ("gt", "ge", "lt", "le", "func") if hasattr(of, name)}
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(kind) if option is not type(None)]
        return " or ".join(_option(option, metadata, noun) for option in options)
    if "func" in limits:
        return "at least one, none twice" if any(hasattr(of, "min_length") for of in metadata) else "each at most once"
    lengths = [of.max_length for of in metadata if hasattr(of, "max_length")]
    if lengths:
        return f"a list of {lengths[0]}"
    noun, low, high = noun or basic(kind), limits.get("gt", limits.get("ge")), limits.get("lt", limits.get("le"))
    if low is None:
        return noun
    if high is None:
        return f"{noun} above {low:g}" if "gt" in limits else f"{noun} of at least {low:g}"
    left, right = "(" if "gt" in limits else "[", ")" if "lt" in limits else "]"
    return f"{noun} in {left}{low:g}, {high:g}{right}"


def _option(kind: Any, metadata: typing.Sequence[Any], noun: str) -> str:
    """One of several types of a key."""
    if typing.get_origin(kind) is Literal:
        return ", ".join(typing.get_args(kind))
    if typing.get_origin(kind) is Annotated:
        kind, field = typing.get_args(kind)
        return _wanted(kind, field.metadata, noun)
    return _wanted(kind, metadata, noun)
