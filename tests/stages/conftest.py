"""A tiny study in which every stage ran, for the tests of stages."""

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from graph import items, outs
from prunescope.study import params
from tiny import load_stage, tiny_params

ORDER = ("download", "weights", "pretrain", "prune", "finetune", "distill", "evaluate", "cka", "selected", "report")


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
        if name == "grid":  # computed from what the report stages declare
            self._seen.update(("study", "sparsity", "compare_sparsity", "distill.teachers"))
        elif name == "sparsities":
            self._seen.update(("sparsity", "compare_sparsity"))
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
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    reads: dict[str, set[str]] = {}
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.delenv("PRUNESCOPE_MIRROR", raising=False)
        patch.setitem(os.environ, "MPLBACKEND", "Agg")
        todo = items(content)
        for script in ORDER:
            module = load_stage(script)
            if script == "pretrain":
                patch.setattr(module, "require_plans_fit", lambda *_, **__: None)  # refuses only, tested by itself
            for name, stage in todo.items():
                _, path, *arguments = shlex.split(stage["cmd"])
                if Path(path).stem != script:
                    continue
                reads[name] = set()
                patch.setattr(module, "load", lambda name=name: _Dotted(params.load(), "", reads[name]))
                patch.setattr(sys, "argv", [path, *arguments])
                module.recipe()
                missing = [out for out in outs(stage) if not Path(out).exists()]
                assert not missing, f"{name} did not write {missing}"
    assert len(reads) == len(todo) == 30
    return folder, reads
