"""The command that makes a study again gives DVC back the very values that ran."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from prunescope.report.reproduce import command


def read_back(text: str) -> dict[str, object]:
    """What a shell and then DVC (Hydra's grammar) make of it."""
    words = shlex.split(text)
    assert words[:3] == ["dvc", "exp", "run"]
    assert words[3::2] == ["-S"] * len(words[4::2])
    overrides = [OverridesParser.create().parse_override(word) for word in words[4::2]]
    assert not any(one.is_sweep_override() for one in overrides)
    return {str(one.key_or_group): one.value() for one in overrides}


@pytest.mark.parametrize(
    "value",
    [
        *(0.5, 3, 1e-05, True, None, "own-images", "with/a/path.csv", "/my data, new", "it's", 'a "b" $HOME `c`', "C:\\images"),
        *("null", "true", "12", "", [0, 1, 2], ["cifar100-small", "ham10000"], ["a b", "c,d"], []),
    ],
)
def test_every_kind_of_value_comes_back(value):
    text = command({"a": {"b": value, "c": 1}}, {"a": {"b": "another", "c": 1}})
    found = read_back(text)["a.b"]
    plain = [getattr(of, "text", of) for of in found] if isinstance(found, list) else getattr(found, "text", found)
    assert plain == value
    assert type(plain) is type(value)


def test_only_what_differs():
    assert command({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 2, "d": 3}}) == "dvc exp run"
    assert command({"seeds": [0, 1], "name": "x"}, {"seeds": [0], "name": "y"}) == 'dvc exp run -S "seeds=[0,1]" -S name=x'
    assert command({"gone": None}, {}) == "dvc exp run -S gone=null"
