"""A tiny study in which every stage ran, for the tests of stages."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from prunescope.study import params
from tiny import run_study, tiny_params


class Spy:
    """A params object that notes the path of every plain value read through it."""

    def __init__(self, value: Any, path: str, seen: set[str]):
        self._value, self._path, self._seen = value, path, seen

    def _child(self, value: Any, path: str) -> Any:
        if isinstance(value, dict | BaseModel):
            return Spy(value, path, self._seen)
        if not callable(value):
            self._seen.add(path)
        return value

    def __getattr__(self, name: str) -> Any:
        if name in ("cells", "grid"):  # computed from what the report stages declare
            self._seen.update(("study", "sparsity", "compare_sparsities", "distill.teachers"))
            decides = ("primary", "margin", "margin_cka", "critical") if name == "grid" else ()
            self._seen.update(f"evaluate.{key}" for key in decides)
            self._seen.update(["sensitivity.models", "deploy.formats"] if name == "grid" else [])
        elif name == "sparsities":
            self._seen.update(("sparsity", "compare_sparsities"))
        elif name == "teaching":
            self._seen.update(("distill.temperature", "distill.soft_weight"))
        else:
            return self._child(getattr(self._value, name), f"{self._path}{name}")
        return getattr(self._value, name)

    def __repr__(self) -> str:  # what a fingerprint sees
        return repr(self._value)

    def __getitem__(self, name: str) -> Any:
        return Spy(self._value[name], f"{self._path}{name}", self._seen)


class _Dotted(Spy):
    def _child(self, value: Any, path: str) -> Any:
        child = super()._child(value, path)
        return _Dotted(value, f"{path}.", self._seen) if isinstance(child, Spy) else child

    def __getitem__(self, name: str) -> Any:
        return _Dotted(self._value[name], f"{self._path}{name}.", self._seen)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Path, dict[str, set[str]]]:
    """A folder where every stage of the tiny study has run, and the params that each stage read."""
    folder = tmp_path_factory.mktemp("study")
    content = tiny_params()
    reads: dict[str, set[str]] = {}

    def spy(name: str, module: Any, patch: pytest.MonkeyPatch) -> None:
        for guard in ("require_study_fits", "require_layers_chosen"):  # these refuse only, tested by themselves
            if hasattr(module, guard):
                patch.setattr(module, guard, lambda *_, **__: None)
        reads[name] = set()
        patch.setattr(module, "load", lambda: _Dotted(params.load(), "", reads[name]))

    assert run_study(folder, content, before=spy) == len(reads) == 36
    return folder, reads
