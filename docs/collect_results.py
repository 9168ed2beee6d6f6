"""Keep a finished study, or the seeds of it that are finished, in results/<study.name>/: no images, no networks.

    python docs/collect_results.py [FOLDER]

FOLDER is the repository in which it ran (default: this one). Its metrics join those that metrics.tar.xz there already has, so
that a long study can be run seed by seed, on several machines; then summary.csv, the report and its figures are made from all of
them, and params.yaml gets all seeds. Layer features of the dense networks (dense.npz) stay out: they are large, and only what
compares seeds needs them.
"""

import io
import lzma
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

from prunescope import __version__
from prunescope.files import replacing, write_text
from prunescope.params import load
from prunescope.report import curves, page, tables

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = {".npz", ".gitignore", ".gitkeep"}


def pack(folder: Path, archive: Path) -> None:
    """All files below `folder` as an xz archive; the same files give the same bytes."""
    with (
        replacing(archive) as temporary,
        lzma.open(temporary, "wb", preset=9) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                entry = tarfile.TarInfo(file.relative_to(folder).as_posix())
                entry.size = file.stat().st_size
                tar.addfile(entry, io.BytesIO(file.read_bytes()))


def unpack(archive: Path, folder: Path) -> None:
    if archive.is_file():
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")


def finished_seeds(metrics: Path, models: tuple[str, ...], datasets: tuple[str, ...]) -> tuple[int, ...]:
    """Seeds of which the dense control of some model was evaluated."""
    cells = [folder.name for folder in (metrics / "evaluate").iterdir() if (folder / "dense.json").is_file()]
    names = "|".join(re.escape(f"{model}-{dataset}") for model in models for dataset in datasets)
    return tuple(sorted({int(match[1]) for cell in cells if (match := re.fullmatch(rf"(?:{names})-(\d+)", cell))}))


def collect(source: Path, results: Path) -> Path:
    """Join the metrics of `source` into results/<study.name>/ and make its files again; the folder is returned."""
    params = load(source / "params.yaml")
    kept = results / params.study.name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        metrics = Path(scratch) / "metrics"
        unpack(kept / "metrics.tar.xz", metrics)
        for file in (source / "metrics").rglob("*"):
            if file.is_file() and file.suffix not in LEFT_OUT and file.name not in LEFT_OUT and file.parent != source / "metrics":
                place = metrics / file.relative_to(source / "metrics")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
        seeds = finished_seeds(metrics, params.study.models, params.study.datasets)
        grid = replace(params.grid, seeds=seeds)
        tables.save(tables.summarise(metrics, grid), kept / "summary.csv")
        curves.save(metrics, grid, kept / "curves.csv")
        text = (source / "params.yaml").read_text(encoding="utf-8")
        listed = "".join(f"  - {seed}\n" for seed in seeds)
        write_text(kept / "params.yaml", re.sub(r"(?m)^  seeds:\n(  - \d+\n)+", f"  seeds:\n{listed}", text, count=1))
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=source, capture_output=True, text=True, check=True
        ).stdout.strip()
        settings = [f'-S "study.datasets=[{",".join(grid.datasets)}]"', f'-S "study.seeds=[{",".join(map(str, seeds))}]"']
        settings += [f"-S sparsity={params.sparsity} -S compare_sparsity={params.compare_sparsity} -S study.name={grid.name}"]
        page.write(
            grid,
            metrics,
            kept,
            provenance={"prunescope": __version__, "commit": commit},
            reproduce=[f"git checkout {commit}", "make setup", ". .venv/bin/activate", f"dvc exp run {' '.join(settings)}"],
            method=params.method,
        )
        (kept / "report.html").unlink()  # the Markdown is what GitHub shows; the page is made again from metrics.tar.xz
        pack(metrics, kept / "metrics.tar.xz")
    return kept


if __name__ == "__main__":
    print(f"kept in {collect(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT, ROOT / 'results')}")
