"""The command that makes a study again: the params that differ from those of its commit, as DVC takes them."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

PLAIN = re.compile(r"[A-Za-z_/.][\w/.-]*")  # what needs no quotes in an override
WORDS = {"true", "false", "null", "nan", "inf"}  # and what would be read as something else without them


def command(params: Mapping[str, Any], committed: Mapping[str, Any]) -> str:
    """`dvc exp run` with an override for every value of params.yaml that is not the commit's."""
    before = _flat(committed)
    changed = {key: value for key, value in _flat(params).items() if key not in before or before[key] != value}
    return " ".join(["dvc exp run", *(f"-S {_shell(f'{key}={_override(value)}')}" for key, value in changed.items())])


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested tables as one with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return flat


def _override(value: Any) -> str:
    """A value in the grammar of Hydra's overrides, which `-S` takes."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(_override, value))}]"
    if isinstance(value, str) and (not PLAIN.fullmatch(value) or value.lower() in WORDS):
        # In quotes a backslash is itself, except before a quote.
        escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + found[2].replace("'", r"\'"), value)
        return f"'{escaped}'"
    return str(value)


def _shell(text: str) -> str:
    """Quoted where the shell needs it; double quotes where they suffice, as they are easier to read."""
    if shlex.quote(text) == text:
        return text
    return f'"{text}"' if not set(text) & set('"$`\\!') else shlex.quote(text)
