"""The network that a model card is about, and the files that tell of it: those of a work tree, or of a kept study."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from prunescope.errors import PrunescopeError
from prunescope.report import studies
from prunescope.results import yaml12
from prunescope.results.grid import CHANNELS, NARROW, Arm, Grid, arms_of, dense_cell, unpruned
from prunescope.results.kept import kept_grid, provenance
from prunescope.results.reading import Files
from prunescope.results.results import Results

WANTED = "checkpoints/finished/<cell>/<method>.safetensors"


@dataclass(frozen=True)
class Carded:
    """arm, results: its numbers · settings: params.yaml · critical: classes whose recall matters · made: commits and command of
    a kept study, else empty · path: the checkpoint as it was asked for · header: its architecture, parents and sha256, None
    where it is not at hand · data: licence, citation, image_size, mean and std, as far as a prepared store tells."""

    arm: Arm
    results: Results
    settings: Mapping[str, Any]
    critical: tuple[str, ...]
    made: Mapping[str, Any]
    path: str
    header: Mapping[str, Any] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def record(self, stage: str) -> dict[str, Any]:
        """What a stage wrote; empty where it did not run."""
        return self.results.record(stage) or {}

    def setting(self, *keys: str) -> Any:
        """A value of params.yaml; None where it has none."""
        found: Any = self.settings
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    @property
    def dense(self) -> str:
        """The name of the dense networks' files."""
        return dense_cell(self.arm.model, self.arm.dataset, self.arm.seed)


def of_study(folder: Path, name: str) -> Carded:
    """A network of a kept study, whose checkpoint is not at hand; name: <cell>/<method>, or the checkpoint's path."""
    path = Path(name.removesuffix(".safetensors"))
    studies.require(folder)
    arm = arm_of(path.parent.name, path.name)
    found = Results(_grid(arm), studies.opened(folder).files)
    where = f"checkpoints/finished/{path.parent.name}/{path.name}.safetensors"
    carded = Carded(arm, found, _settings(folder), kept_grid(folder).critical, provenance(folder), where)
    return _evaluated(carded, "those there are: " + ", ".join(_evaluated_networks(found.files)))


def _evaluated_networks(files: Files) -> list[str]:
    names = (re.fullmatch(r"evaluate/([^/]+/[^/]+)-latency\.json", name) for name in files.content or ())
    return sorted(match[1] for match in names if match)


def of_checkpoint(
    path: Path, read: Callable[[Path], Any], sha256: Callable[[Path], str], read_store: Callable[[Path], Any]
) -> Carded:
    """A finished network of a work tree. read, sha256, read_store: those of networks.checkpoint and data.store, which the report
    does not import. PrunescopeError where metrics are missing or those of another network."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - a link into DVC's cache stays where it is
    if whole.suffix != ".safetensors" or whole.parts[-4:-2] != ("checkpoints", "finished"):
        raise PrunescopeError(
            f"found {path}, wanted {WANTED}: its metrics lie in metrics/ beside checkpoints/; of a kept study: --study FOLDER"
        )
    root, arm, found = whole.parents[3], arm_of(whole.parent.name, whole.stem), read(path)
    header = {"architecture": found.architecture.as_dict(), "parents": found.parents, "sha256": sha256(path)}
    header |= {"inputs": found.inputs.as_dict()} if found.inputs else {}
    settings, folder, data = _settings(root), root / "prepared" / arm.dataset, {}
    if folder.is_dir():
        store = read_store(folder)
        data = {"licence": store.provenance.get("licence"), "citation": store.provenance.get("citation")}
        data |= {"image_size": store.image_size, "mean": store.mean, "std": store.std}
    critical = (settings.get("evaluate") or {}).get("critical") or ()
    results = Results(_grid(arm), Files(root / "metrics"))
    carded = _evaluated(Carded(arm, results, settings, tuple(critical), {}, str(path), header, data))
    _require_same_network(carded, header)
    return carded


def arm_of(cell: str, method: str) -> Arm:
    """The arm of a cell (<model>-<data set>[-<sparsity>]-<seed>) and a method, as evaluated. PrunescopeError where none is."""
    model, _, rest = cell.partition("-")
    dataset, *end = rest.rsplit("-", 1 if unpruned(method) else 2)
    try:
        *level, seed = end
        sparsities, number = tuple(map(float, level)), int(seed)
    except ValueError:
        sparsities, number = (), -1
    bare = method.removeprefix("student-")
    pruned = () if unpruned(method) or bare in (NARROW, CHANNELS) else (bare,)
    several = dict.fromkeys(("models", "teachers", "narrow", "channels", "taught"), (model,))
    grid = Grid(name="", datasets=(dataset,), methods=pruned, seeds=(number,), sparsities=sparsities, **several)
    found = [arm for arm in arms_of(grid) if arm.evaluate == f"evaluate/{cell}/{method}"]
    if not found or number < 0:
        raise PrunescopeError(f"found the network {cell}/{method}, wanted <cell>/<method>, as in {WANTED}")
    return found[0]


def _grid(arm: Arm) -> Grid:
    """That arm alone, for reading its files."""
    one = {"models": (arm.model,), "datasets": (arm.dataset,), "methods": (arm.method,), "seeds": (arm.seed,)}
    return Grid(name="", sparsities=(arm.sparsity,), teachers=(), **one)


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "params.yaml"
    try:
        return yaml12.read(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}
    except yaml.YAMLError as error:
        raise PrunescopeError(f"{path} cannot be read: {error}") from error


def _evaluated(of: Carded, otherwise: str = "make them with: dvc repro selected") -> Carded:
    if of.results.record(of.arm.evaluate) is None:
        path = of.results.files.path(f"{of.arm.evaluate}.json")
        raise PrunescopeError(f"found no {path}, wanted the test metrics of this network; {otherwise}")
    return of


def _require_same_network(of: Carded, header: Mapping[str, Any]) -> None:
    """A card must not join a network with the numbers of another, as after a run that was stopped half way."""
    record = of.record(of.arm.training[-1])
    for role in ("base", "teacher"):
        here, there = header["parents"].get(role), record.get(f"{role}_sha256")
        if here and there and here != there:
            raise PrunescopeError(
                f"{of.path}: found the {role} {here[:12]} among its parents, but {there[:12]} in the metrics of "
                f"{of.arm.training[-1]}, wanted the same; run dvc repro"
            )
