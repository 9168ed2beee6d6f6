"""A kept study without git: what `prunescope keep` leaves of a fake tree of metrics."""

import json
from dataclasses import asdict
from pathlib import Path

from prunescope.results.grid import Grid
from prunescope.results.kept import ARCHIVE, PROVENANCE, pack
from prunescope.results.summary import save
from report_fakes import opened


def keep(metrics: Path, study: Grid, folder: Path) -> Path:
    """Write the archive, the summary and the provenance of the tree `metrics` into `folder`."""
    found = {path.relative_to(metrics).as_posix(): path.read_bytes() for path in metrics.rglob("*") if path.is_file()}
    folder.mkdir(parents=True)
    pack({name: data for name, data in found.items() if not name.endswith(".npz")}, folder / ARCHIVE)
    save(opened(metrics, study).summary, folder / "summary.csv")
    made = {"commits": ["0123456789ab"], "command": "dvc exp run", "study": asdict(study)}
    (folder / PROVENANCE).write_text(json.dumps(made), encoding="utf-8")
    return folder
