"""What of a file with mistakes is right by itself, so that what contradicts the rest is said together with the mistakes."""

import functools
import typing
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from prunescope.study.fields import Table
from prunescope.study.tables import Params, Recipe


class Unknown(Exception):
    """A value is asked for that is missing or wrong by itself, which has its own line."""


class Partial:
    """A table of which some keys may be unknown: asking for them raises Unknown."""

    def __init__(self, values: dict[str, Any]):
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise Unknown(name)


def partial(content: Any, model: type[Table]) -> Any:
    """A `Partial` of the keys of a table that are right, as the whole table has them; its tables are there, maybe empty."""
    content = content if isinstance(content, dict) else {}
    values = {}
    for name, field in model.model_fields.items():
        kind, found = typing.cast(Any, field.annotation), content.get(name)
        if isinstance(kind, type) and issubclass(kind, Table):
            values[name] = partial(found, kind)
        elif typing.get_origin(kind) is dict and isinstance(row := typing.get_args(kind)[1], type) and issubclass(row, Table):
            if isinstance(found, dict):
                values[name] = {str(key): partial(of, row) for key, of in found.items()}
        elif name in content:
            with suppress(ValidationError):
                values[name] = _field(model, name).validate_python(found)
    return Partial(values)


@functools.cache
def _field(model: type[Table], name: str) -> TypeAdapter:
    field = model.model_fields[name]
    strict = ConfigDict(strict=True, allow_inf_nan=False)
    return TypeAdapter(Annotated[field.annotation, field], config=strict)  # type: ignore[valid-type]


def recipes(params: Params) -> Iterator[tuple[str, Recipe]]:
    """The study's data sets that have a row.

    params: the whole file, or a `Partial` of it.
    """
    for name in params.study.datasets:
        with suppress(KeyError):
            yield name, params.data[name]
