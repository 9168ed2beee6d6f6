"""params.yaml, checked before a stage does any work: what is wrong stops with every key, what was found and what was wanted.

This room only refuses: results depend on the values, which DVC tracks itself, so no stage lists it in `deps`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from prunescope.errors import PrunescopeError
from prunescope.results import yaml12
from prunescope.results.grid import Grid
from prunescope.study.contradictions import contradictions
from prunescope.study.overrides import overridden
from prunescope.study.partial import partial
from prunescope.study.problems import problems_of
from prunescope.study.recipes import Budget, Recipe
from prunescope.study.tables import Method, Params

__all__ = ["Budget", "Grid", "Method", "Params", "Recipe", "load", "teachers_left"]


def load(path: Path | str = "params.yaml", overrides: Sequence[str] = ()) -> Params:
    """Read and check the whole file, as `dvc exp run -S` would set it. Raises PrunescopeError that lists every problem."""
    path = Path(path)
    content = _read(path)
    if overrides:
        content = overridden(content, list(overrides))
    problems: list[str] = []
    params: Any = None
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        problems = problems_of(error, Params)
    content_of = content if isinstance(content, dict) else {}
    others = content_of.get("compare_sparsities")
    named = {"sparsity": content_of.get("sparsity")}
    named |= {f"compare_sparsities[{at}]": level for at, level in enumerate(others if isinstance(others, list) else ())}
    problems += [
        f"{key}: found 0, wanted it as 0.0: DVC names cells after the value's text"
        for key, level in named.items()
        if type(level) is int and level == 0
    ]
    problems += contradictions(params or partial(content, Params))
    if not problems:
        return params
    raise PrunescopeError(f"{path} has {len(problems)} problem(s), nothing was run:\n  " + "\n  ".join(problems))


def teachers_left(overrides: Sequence[str], path: Path | str = "params.yaml") -> str:
    """The override that leaves out teachers that an experiment's `study.models` no longer has; empty where nothing is to be done.

    dvc.yaml has a stage for each name in `distill.teachers`, and DVC can leave none of them out. Only models that the overrides
    choose: of what stands in params.yaml `dvc repro` would still run all teachers.
    """
    keys = {override.removeprefix("params.yaml:").partition("=")[0].lstrip("+") for override in overrides}
    if "study.models" not in keys or "distill.teachers" in keys:
        return ""
    try:
        made = overridden(_read(Path(path)), list(overrides))
        models, teachers = made["study"]["models"], made["distill"]["teachers"]
        kept = [name for name in teachers if name in models]
    except (PrunescopeError, KeyError, TypeError):  # the check of the whole file says it better
        return ""
    return f"distill.teachers=[{','.join(kept)}]" if len(kept) < len(teachers) else ""


def _read(path: Path) -> Any:
    try:
        return yaml12.read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no UTF-8, a number of thousands of digits
        raise PrunescopeError(
            f"{path} cannot be read as YAML: {error}\n  (`dvc exp run -S` breaks it with [] for a list that must not be empty; "
            f"git checkout {path} takes that back)"
        ) from error
