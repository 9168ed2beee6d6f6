"""Write docs/params.md and params.schema.json from the tables of src/prunescope/study/tables.py. For maintainers.

python scripts/write_params_docs.py
"""

import json
import typing
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from prunescope.study.fields import Table, basic, said, wanted
from prunescope.study.tables import Params

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Every key of params.yaml

Written by `python scripts/write_params_docs.py` from `src/prunescope/study/tables.py`; change it there. There are no defaults:
every key stands in the file. A wrong one stops every stage that runs before it does any work, with what was found and what was
wanted. `dvc exp run -S key=value` changes one for one run, lists as `-S "study.seeds=[0,1]"`. Editors that read the file's
first line complete and check keys by `params.schema.json`: types, ranges and choices. What contradicts the rest (a row that is
not there, a width that an architecture lacks) is for the stages' own check.
"""


def tables(model: type[Table] = Params, path: str = "") -> dict[type[Table], list[str]]:
    """Each table of the file with the places where it stands."""
    found = {model: [path]}
    for name, field in model.model_fields.items():
        kind, place = typing.cast(Any, field.annotation), f"{path}.{name}".lstrip(".")
        if typing.get_origin(kind) is dict:
            kind, place = typing.get_args(kind)[1], f"{place}.<row>"
        if isinstance(kind, type) and issubclass(kind, Table):
            for below, places in tables(kind, place).items():
                found.setdefault(below, []).extend(places)
    return found


def markdown() -> str:
    """docs/params.md: a section for each table."""
    sections = [HEAD]
    for model, places in tables().items():
        title = ", ".join(f"`{place}`" for place in places) if places != [""] else "The whole file"
        rows = ["| key | wanted | unit | meaning |", "| --- | --- | --- | --- |"]
        for name, field in model.model_fields.items():
            cells = (f"`{name}`", _wanted(field), said(field, "unit"), field.description or "")
            rows.append("| " + " | ".join(cell.replace("|", "\\|") or "–" for cell in cells) + " |")
        sections.append(f"## {title}\n\n{model.__doc__}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(sections)


def _wanted(field: FieldInfo) -> str:
    """What may stand at a key, for a cell of a table."""
    kind, words = typing.cast(Any, field.annotation), wanted(field).removesuffix(said(field, "tail"))
    if typing.get_origin(kind) is tuple:
        if typing.get_origin(typing.get_args(kind)[0]) is typing.Annotated:
            return f"{words}, each {basic(typing.get_args(kind)[0])}"
        items = "whole numbers" if typing.get_args(kind)[0] is int else "names"
        return f"a list of {items}" + ("" if words == "a list" else f": {words}")
    return "a table" if isinstance(kind, type) and issubclass(kind, Table) else words


def schema() -> str:
    """params.schema.json: JSON Schema, for editors."""
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "params.yaml",
        **_plain(Params.model_json_schema()),
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _plain(part: Any, names: bool = False) -> Any:
    """The schema without pydantic's titles and our words for messages; `names`: the keys here are the file's."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    dropped = () if names else ("title", "noun", "tail", "unit")
    return {key: _plain(value, key in ("properties", "$defs")) for key, value in part.items() if key not in dropped}


WRITTEN = {"docs/params.md": markdown, "params.schema.json": schema}

if __name__ == "__main__":
    for name, make in WRITTEN.items():
        (ROOT / name).write_text(make(), encoding="utf-8")
        print(f"wrote {name}")
