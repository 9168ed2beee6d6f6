"""Whatever stands at whichever key: the message is ours, names that key once, and says what was found and what was wanted."""

import copy
from typing import Any

import pytest
from pydantic import ValidationError
from test_params import CONTENT

from prunescope.errors import PrunescopeError
from prunescope.study.params import load
from prunescope.study.problems import problems_of
from prunescope.study.tables import Params

ODD = (None, True, -1, 0.5, "x", [], {}, [1], [None], ["x", "x"], {"x": 1}, {1: 2}, float("nan"), float("-inf"), 10**30)
FIRST = ("oneshot", "digits")


def keys(table: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key at any depth, of rows the first."""
    found = []
    for name, value in table.items():
        if above in (("prune",), ("data",)) and name not in FIRST:
            continue
        found += [(*above, name), *(keys(value, (*above, name)) if isinstance(value, dict) else ())]
    return found


def problems(content: Any) -> list[str]:
    try:
        Params.model_validate(content)
    except ValidationError as error:
        return problems_of(error, Params)
    return []


def with_value(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return content


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_messages_name_the_key_and_are_ours(value):
    paths, refused = keys(CONTENT), 0
    assert len(paths) == 108
    for path in paths:
        found = problems(with_value(path, value))
        refused += bool(found)
        named = [line.partition(": ")[0] for line in found]
        assert len(set(named)) == len(named), found
        for line in found:
            assert line.startswith(".".join(path)), line
            assert "wanted " in line or "unknown key; known here" in line, line
            assert "nput should" not in line and "pydantic" not in line, line
    assert refused > 40


def test_a_list_of_wrong_values_is_not_called_empty():
    assert problems(with_value(("study", "seeds"), [True])) == ["study.seeds[0]: found True, wanted a whole number"]
    assert [line.partition(":")[0] for line in problems(with_value(("prune",), {"a": 1, "b": 2}))] == ["prune.a", "prune.b"]


@pytest.mark.parametrize("value", [5000 * "1", "!!int much"], ids=["thousands of digits", "a tag that lies"])
def test_numbers_that_python_refuses_are_no_yaml(tmp_path, value):
    path = tmp_path / "params.yaml"
    path.write_text(f"sparsity: {value}\n", encoding="utf-8")
    with pytest.raises(PrunescopeError, match=r"params\.yaml cannot be read as YAML: (Exceeds|invalid literal)"):
        load(path)


def test_names_that_are_no_text():
    found = problems(with_value(("prune", "oneshot"), CONTENT["prune"]["oneshot"] | {5: 1}))
    assert found == [
        "prune.oneshot.5: unknown key; known here: plan, score, score_batches, scope, schedule, step, recovery_share, order, "
        "rewind, recovery, exclude, reestimate_batches"
    ]
    (only,) = problems(CONTENT | {"data": CONTENT["data"] | {7: CONTENT["data"]["own"]}})
    assert only == "data.7: found a name that YAML does not read as text, wanted it in quotes"
