"""Keep a finished study, or the seeds of it that are finished, in results/<study.name>/: no images, no networks.

    python docs/collect_results.py [FOLDER ...]

The FOLDERs are the repositories in which it ran (default: this one), the first with the params.yaml of the whole study. Their
metrics join those that metrics.tar.xz there already has, so that a long study can be run seed by seed, on several machines; then
summary.csv, the report and its figures are made from all of them, params.yaml gets all seeds, and results/README.md a line.
Layer features of the dense networks (dense.npz) are large and stay out of the archive: the report compares the seeds whose
FOLDERs are named together.
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
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from prunescope import __version__
from prunescope.files import replacing, write_json, write_text
from prunescope.params import load
from prunescope.report import curves, facts, page, tables
from prunescope.report.arms import Study, arms_of, dense_cell, read_json

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = {".npz"}
INDEX = """# Results

Studies on real data, each in a folder that `python docs/collect_results.py` wrote: `report.md` (the report with its `figures/`),
`summary.csv` (a row per network and seed: every number of the report's tables is a mean of these), `curves.csv` (validation
accuracy while training), `params.yaml` (all settings), `provenance.json` (the line below) and `metrics.tar.xz` (every file that
the stages wrote, as `metrics/<stage>/...`: the sources that the report names; `tar xf metrics.tar.xz` unpacks it). No images and
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
    """Join the metrics of `sources` into results/<study.name>/ and make its files again; the folder is returned."""
    params = load(sources[0] / "params.yaml")
    kept = results / params.study.name
    kept.mkdir(parents=True, exist_ok=True)
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
        seeds = finished_seeds(metrics, params.study.models, params.study.datasets)
        grid = replace(params.grid, seeds=seeds)
        tables.save(tables.summarise(metrics, grid), kept / "summary.csv")
        curves.save(metrics, grid, kept / "curves.csv")
        text = (sources[0] / "params.yaml").read_text(encoding="utf-8")
        listed = "".join(f"  - {seed}\n" for seed in seeds)
        write_text(kept / "params.yaml", re.sub(r"(?m)^  seeds:\n(  - \d+\n)+", f"  seeds:\n{listed}", text, count=1))
        settings = [f'-S "study.datasets=[{",".join(grid.datasets)}]"', f'-S "study.seeds=[{",".join(map(str, seeds))}]"']
        settings += [f"-S sparsity={params.sparsity} -S compare_sparsity={params.compare_sparsity} -S study.name={grid.name}"]
        command = f"dvc exp run {' '.join(settings)}"
        page.write(
            grid,
            metrics,
            kept,
            provenance={"prunescope": __version__, "commit": ", ".join(commits)},
            reproduce=[f"git checkout {commits[-1]}", "make setup", ". .venv/bin/activate", command],
            method=params.method,
        )
        (kept / "report.html").unlink()  # the Markdown is what GitHub shows; the page is made again from metrics.tar.xz
        pack(metrics, kept / "metrics.tar.xz")
        environment = facts.environment(metrics, grid)
        hours = _training_seconds(metrics, grid) / 3600
    made = {"commits": commits, "command": command, "seeds": list(seeds), "training_hours": round(hours, 2)}
    write_json(kept / "provenance.json", made | {"environment": environment})
    write_text(results / "README.md", index(results))
    return kept


def _stage_files(metrics: Path) -> Iterator[Path]:
    """What the stages wrote: metrics/<stage>/..., without what git and DVC keep there."""
    for file in metrics.glob("*/**/*"):
        if file.is_file() and not file.name.startswith(".git"):
            yield file


def _commit(repository: Path) -> str:
    asked = ["git", "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(asked, cwd=repository, capture_output=True, text=True, check=True).stdout.strip()


def _training_seconds(metrics: Path, grid: Study) -> float:
    """Of all networks of the study: base networks and what came after."""
    stages = {stage for arm in arms_of(grid) for stage in arm.training}
    stages |= {f"pretrain/{dense_cell(arm.model, arm.dataset, arm.seed)}" for arm in arms_of(grid)}
    return sum((read_json(metrics / f"{stage}.json") or {}).get("seconds", 0.0) for stage in stages)


def index(results: Path) -> str:
    """The Markdown of results/README.md: a line for each study there."""
    columns = ("study", "data", "n", "training, hours", "machine", "versions", "commit", "command")
    lines = [columns, ("---",) * len(columns)]
    for folder in sorted(of.parent for of in results.glob("*/provenance.json")):
        made, params = json.loads((folder / "provenance.json").read_text(encoding="utf-8")), load(folder / "params.yaml")
        ran = made["environment"]
        machine = ", ".join([ran["processor"], f"device {ran['device']}", f"{ran['threads']} thread(s)", ran["precision"]])
        versions = f"torch {ran['torch']}, torchvision {ran['torchvision']}, Python {ran['python']}"
        name, data = f"[{folder.name}]({folder.name}/report.md)", ", ".join(params.study.datasets)
        hours, commit = f"{made['training_hours']:.1f}", ", ".join(made["commits"])
        lines.append((name, data, str(len(made["seeds"])), hours, machine, versions, commit, f"`{made['command']}`"))
    return INDEX + "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    print(f"kept in {collect([Path(folder) for folder in sys.argv[1:]] or [ROOT], ROOT / 'results')}")
