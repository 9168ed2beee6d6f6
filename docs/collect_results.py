"""Keep a finished study, or the seeds of it that are finished, in results/<study.name>/: no images, no networks.

    python docs/collect_results.py [FOLDER ...]

The FOLDERs are the repositories in which it ran (default: this one), the first with the params.yaml of the whole study. Their
metrics join those that metrics.tar.xz there already has, so that a long study can be run seed by seed, on several machines; then
summary.csv, the report and its figures are made from all of them, params.yaml gets all seeds, and results/README.md a line.
Layer features of the dense networks (dense.npz) are large and stay out of the archive; what the report reads from them, the
similarity of every two seeds whose FOLDERs are named together, is written into it.
"""

import io
import json
import lzma
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from prunescope import __version__
from prunescope.errors import PrunescopeError
from prunescope.evidence import facts
from prunescope.files import replacing, write_json, write_text
from prunescope.report import page
from prunescope.report.reproduce import command
from prunescope.results import curves, maps, tables
from prunescope.results.arms import Study, arms_of, cells_of, dense_cell, read_json
from prunescope.study.params import Params, load

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = {".npz"}
INDEX = """# Results

Studies on real data, each in a folder that `python docs/collect_results.py` wrote: `report.md` (the report with its `figures/`),
`summary.csv` (a row per network and seed: accuracies, costs, sizes and times in the report are means of these), `curves.csv`
(validation accuracy while training), `params.yaml` (all settings), `provenance.json` (the line below) and `metrics.tar.xz` (what
the stages wrote, as `metrics/<stage>/...`: the sources that the report names under its tables; `tar xf metrics.tar.xz` unpacks
it; of `dense.npz` it has the similarities alone, in `metrics/cka/seeds/`). `tests/test_results.py` makes the summary and the
report again from the archive and compares. No images and
no networks. Commands need `make setup`, the environment and the data (see the README); hours are those of the training alone.

"""


def pack(folder: Path, archive: Path) -> None:
    """`folder` as an xz archive without what is `LEFT_OUT`; the same files give the same bytes."""
    with (
        replacing(archive) as temporary,
        lzma.open(temporary, "wb", preset=9) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.suffix not in LEFT_OUT:
                entry = tarfile.TarInfo(file.relative_to(folder.parent).as_posix())
                entry.size = file.stat().st_size
                tar.addfile(entry, io.BytesIO(file.read_bytes()))


def unpack(archive: Path, folder: Path) -> None:
    """Make folder/metrics from the archive, where there is one."""
    if archive.is_file():
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")


def finished_seeds(metrics: Path, models: tuple[str, ...], datasets: tuple[str, ...]) -> tuple[int, ...]:
    """Seeds of which the dense control of some model was evaluated."""
    cells = [folder.name for folder in (metrics / "evaluate").iterdir() if (folder / "dense.json").is_file()]
    names = "|".join(re.escape(f"{model}-{dataset}") for model in models for dataset in datasets)
    return tuple(sorted({int(match[1]) for cell in cells if (match := re.fullmatch(rf"(?:{names})-(\d+)", cell))}))


def collect(sources: Sequence[Path], results: Path) -> Path:
    """Join the metrics of `sources` into results/<study.name>/ and make its files again; the folder is returned.

    Raises PrunescopeError where they are not of the same recipes, or of code that is not committed.
    """
    params = load(sources[0] / "params.yaml")
    kept = results / params.study.name
    known = [kept] if (kept / "params.yaml").is_file() else []
    for other in (*sources[1:], *known):
        _require_same_recipes(params, load(other / "params.yaml"), other)
    commits = [*(read_json(kept / "provenance.json") or {}).get("commits", []), *map(_commit, sources)]
    commits = list(dict.fromkeys(commits))
    with tempfile.TemporaryDirectory() as scratch:
        metrics = Path(scratch) / "metrics"
        unpack(kept / "metrics.tar.xz", Path(scratch))
        for source in sources:
            for file in _stage_files(source / "metrics"):
                place = metrics / file.relative_to(source / "metrics")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
        grid = replace(params.grid, seeds=finished_seeds(metrics, params.study.models, params.study.datasets))
        maps.keep_seeds(metrics, grid)
        summary = tables.summarise(metrics, grid)
        tables.save(summary, kept / "summary.csv")
        curves.save(metrics, grid, kept / "curves.csv")
        settings = _with_seeds((sources[0] / "params.yaml").read_text(encoding="utf-8"), grid.seeds)
        write_text(kept / "params.yaml", settings)
        again = command(yaml.safe_load(settings), yaml.safe_load(_git(sources[0], "show", "HEAD:params.yaml")))
        made = {"commits": commits, "command": again, "method": params.method}
        write_page(grid, metrics, kept, made)
        pack(metrics, kept / "metrics.tar.xz")
        made |= {"training_hours": round(_training_seconds(metrics, grid) / 3600, 2)}
        write_json(kept / "provenance.json", made | {"environment": facts.environment(metrics, grid)})
    write_text(results / "README.md", index(results))
    return kept


def write_page(grid: Study, metrics: Path, out: Path, made: Mapping[str, Any]) -> None:
    """The report as Markdown with its figures; the HTML page can be made again from metrics.tar.xz."""
    page.write(
        grid,
        metrics,
        out,
        provenance={"prunescope": __version__, "commit": ", ".join(made["commits"])},
        reproduce=[f"git checkout {made['commits'][-1]}", "make setup", ". .venv/bin/activate", made["command"]],
        method=made["method"],
    )
    (out / "report.html").unlink()


def _require_same_recipes(params: Params, other: Params, where: Path) -> None:
    study = params.study
    pairs = {f"data.{name}": [of.data.get(name) for of in (params, other)] for name in study.datasets}
    pairs |= {f"prune.{name}": [of.prune.get(name) for of in (params, other)] for name in study.methods}
    pairs |= {name: [getattr(of, name) for of in (params, other)] for name in ("distill", "cka", "evaluate")}
    unlike = [key for key, (here, there) in pairs.items() if here != there]
    if unlike:
        raise PrunescopeError(
            f"{where}: found other values of {', '.join(unlike)} in its params.yaml than in the first folder's, wanted the same: "
            "a study has one recipe; give another one another study.name"
        )


def _with_seeds(settings: str, seeds: Sequence[int]) -> str:
    """params.yaml's text with these seeds."""
    listed = "".join(f"  - {seed}\n" for seed in seeds)
    settings, count = re.subn(r"(?m)^  seeds:(\n  - \d+| \[[\d, ]*\])+\n", f"  seeds:\n{listed}", settings, count=1)
    if count != 1:
        raise PrunescopeError("params.yaml: found no list of numbers under study.seeds, wanted one a line")
    return settings


def _stage_files(metrics: Path) -> Iterator[Path]:
    """What the stages wrote: metrics/<stage>/..., without what git and DVC keep there."""
    for file in metrics.glob("*/**/*"):
        if file.is_file() and not file.name.startswith(".git"):
            yield file


def _commit(repository: Path) -> str:
    """The commit that ran; refused where its code was changed since."""
    if changed := _git(repository, "status", "--porcelain", "--", "src", "stages", "dvc.yaml"):
        raise PrunescopeError(
            f"{repository}: found code that is not committed, wanted a commit that made the numbers:\n{changed}"
        )
    return _git(repository, "rev-parse", "--short=12", "HEAD").strip()


def _git(repository: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True, check=True).stdout


def _training_seconds(metrics: Path, grid: Study) -> float:
    """Of all networks of the study: base networks and what came after."""
    stages = {stage for arm in arms_of(grid) for stage in arm.training}
    stages |= {f"pretrain/{dense_cell(arm.model, arm.dataset, arm.seed)}" for arm in arms_of(grid)}
    return sum((read_json(metrics / f"{stage}.json") or {}).get("seconds", 0.0) for stage in stages)


def index(results: Path) -> str:
    """The Markdown of results/README.md: a line for each study there."""
    columns = ("study", "data and seeds", "not run", "training, hours", "machine", "versions", "commit", "command")
    lines = [columns, ("---",) * len(columns)]
    for folder in sorted(of.parent for of in results.glob("*/provenance.json")):
        made, grid = json.loads((folder / "provenance.json").read_text(encoding="utf-8")), load(folder / "params.yaml").grid
        ran, pruned = made["environment"], pd.read_csv(folder / "summary.csv").query("kind == 'pruned'")
        seeds = pruned.groupby(["dataset", "model"], sort=False)["seed"].nunique()
        n = ", ".join(f"{' '.join(map(str, cell))}: n = {count}" for cell, count in zip(seeds.index, seeds, strict=True))
        done = set(zip(pruned["model"], pruned["dataset"], pruned["sparsity"], strict=True))
        missing = [f"{cell[0]} on {cell[1]} at {cell[2] * 100:g} %" for cell in cells_of(grid) if cell not in done]
        machine = ", ".join([ran["processor"], f"device {ran['device']}", f"{ran['threads']} thread(s)", ran["precision"]])
        versions = f"torch {ran['torch']}, torchvision {ran['torchvision']}, Python {ran['python']}"
        name, commit = f"[{folder.name}]({folder.name}/report.md)", ", ".join(made["commits"])
        hours = f"{made['training_hours']:.1f}"
        lines.append((name, n, ", ".join(missing) or "–", hours, machine, versions, commit, f"`{made['command']}`"))
    return INDEX + "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    print(f"kept in {collect([Path(folder) for folder in sys.argv[1:]] or [ROOT], ROOT / 'results')}")
