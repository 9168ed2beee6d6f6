"""YAML 1.2 as DVC reads and writes it, by ruamel.yaml; PyYAML with our resolvers reads the same."""

import pytest
import yaml
from ruamel.yaml import YAML

from prunescope.results import yaml12

WRITTEN = (
    "5e-05", "1e-3", "1E5", "1.", ".5", "-.5e+3", "+1.5", "0.1", "12", "-3", "+0", "0", ".inf", "-.INF", ".nan", "true", "False",
    "null", "~", "", "yes", "on", "off", "no", "1:30", "1e", "e5", "1.2.3", "cuda:1", "none", "'5e-05'", '"12"', "- 1e-3",
)  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN)
def test_scalars_are_those_of_dvcs_reader(text):
    ours, theirs = (reader(f"a: {text}" if text[:1] != "-" or text[1:2] != " " else text) for reader in (yaml12.read, ruamel))
    assert repr(ours) == repr(theirs)


def ruamel(text: str) -> object:
    return YAML(typ="safe").load(text)


@pytest.mark.parametrize("text", ["010", "0o17", "0x1f", "1_000"])
def test_numbers_that_readers_disagree_on_are_text(text):
    assert yaml12.read(f"a: {text}") == {"a": text}


def test_merged_tables_are_those_of_dvcs_reader():
    text = "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}"
    assert yaml12.read(text) == ruamel(text) == {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}


def test_a_key_twice_is_an_error_at_any_depth():
    with pytest.raises(yaml.YAMLError, match="b stands twice"):
        yaml12.read("a: {b: 1, c: 2, b: 3}")


def test_no_objects_are_made():
    with pytest.raises(yaml.YAMLError):
        yaml12.read("a: !!python/object/apply:os.getcwd []")
