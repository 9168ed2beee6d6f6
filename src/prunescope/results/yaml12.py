"""params.yaml as DVC reads and writes it: YAML 1.2, where 5e-05 is a number and `on` is a word. PyYAML by itself reads 1.1.

PyYAML takes 20 ms for the file; ruamel.yaml, which DVC uses, takes 130 with its import, and a stage starts often.
"""

import re
from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """YAML 1.2's scalars; a key that stands twice is an error: YAML would silently take the last one."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 - as PyYAML has it; not its own, which are YAML 1.1's

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(problem=f"{', '.join(twice)} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


for tag, pattern, starts in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),  # not of 1.2's own words, but DVC's reader takes it
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), starts)


def read(text: str) -> Any:
    """What a file's text holds. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=Loader)
