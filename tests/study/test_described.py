"""Each key is described once: docs/params.md, params.schema.json and the comments in params.yaml say what the tables say."""

import importlib.util
import json
import re
import typing
from itertools import pairwise
from typing import Any

import pytest
from json_schema import fits
from test_params import CASES, CONTENT, changed

from graph import ROOT
from prunescope.study.fields import Table
from prunescope.study.tables import Params

SPEC = importlib.util.spec_from_file_location("write_params_docs", ROOT / "scripts/write_params_docs.py")
assert SPEC and SPEC.loader
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)
SCHEMA: dict[str, Any] = json.loads((ROOT / "params.schema.json").read_text(encoding="utf-8"))
LINES = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", script.WRITTEN)
def test_what_is_generated_is_up_to_date(name):
    assert (ROOT / name).read_text(encoding="utf-8") == script.WRITTEN[name](), "run `python scripts/write_params_docs.py`"


def described() -> dict[tuple[str, ...], str]:
    """Every key of the file as it is described, those of rows under the first row's name."""

    def walk(model: type[Table], above: tuple[str, ...]) -> dict[tuple[str, ...], str]:
        found = {}
        for name, field in model.model_fields.items():
            kind, key = typing.cast(Any, field.annotation), (*above, name)
            found[key] = field.description or ""
            if typing.get_origin(kind) is dict and name in CONTENT:
                kind, key = typing.get_args(kind)[1], (*key, next(iter(CONTENT[name])))
            if isinstance(kind, type) and issubclass(kind, Table):
                found |= walk(kind, key)
        return found

    return walk(Params, ())


def commented() -> dict[tuple[str, ...], str]:
    """Every key of the file that stands on a line of its own, with the comment on its line, else right above it."""
    found, above = {}, {}
    for before, line in pairwise(LINES):
        if match := re.fullmatch(r"( *)([\w-]+):(?: [^#]*?)?(?: *# (.*))?", line):
            depth = len(match[1]) // 2
            above[depth] = match[2]
            own_line = re.fullmatch(rf"{match[1]}# (.*)", before)
            found[tuple(above[level] for level in range(depth + 1))] = match[3] or (own_line[1] if own_line else "")
    return found


def test_comments_are_the_descriptions():
    """Of each value outside of rows and in each table's first row; of other rows each says what it is, and no more."""
    meanings, comments = described(), commented()
    below = [key for key in meanings if key not in comments]
    assert [key[-1] for key in below] == ["epochs", "learning_rate", "schedule"] * 3, "a budget stands on one line"
    values = [key for key in meanings if key in comments and (not _is_table(key) or any(of[:-1] == key for of in below))]
    assert len(values) == 73
    # between lists: a comment above would be lost by `-S`, one beside it break the file
    bare = [("study", name) for name in ("other_methods", "narrow", "channels", "taught")]
    assert {key: comments[key] for key in values} == {key: meanings[key] for key in values} | dict.fromkeys(bare, "")
    others = {key: text for key, text in comments.items() if key not in meanings and text}
    assert set(others) == {("prune", name) for name in CONTENT["prune"]} | {("data", name) for name in CONTENT["data"]}


def _is_table(key: tuple[str, ...]) -> bool:
    value = CONTENT
    for name in key:
        value = value[name]
    return isinstance(value, dict)


def test_the_file_is_short_and_names_its_schema():
    assert LINES[0] == "# yaml-language-server: $schema=params.schema.json"
    more = len(CONTENT["prune"]) - 14, len(CONTENT["data"]) - 9  # rows beside the shipped ones
    assert len(LINES) <= 538 + 14 * more[0] + 36 * more[1]
    assert max(map(len, LINES)) <= 130


def test_the_shipped_file_conforms_to_the_schema():
    assert fits(CONTENT, SCHEMA)


# The rest of CASES contradicts other parts of the file, which a schema cannot know.
BY_ITSELF = CASES[: next(number for number, (_, message) in enumerate(CASES) if "torchvision's" in message)]


@pytest.mark.parametrize("changes, message", BY_ITSELF, ids=[message.split(",")[0][:60] for _, message in BY_ITSELF])
def test_the_schema_refuses_what_load_refuses(changes, message):
    assert fits(changed(**changes), SCHEMA) == ("found 64.0" in message), "in JSON 64.0 is a whole number"


def test_the_number_of_cases():
    assert len(BY_ITSELF) == 49
