"""The index of kept studies, results/README.md."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from prunescope.evidence.missing import not_run
from prunescope.results.kept import PROVENANCE, provenance
from prunescope.results.results import kept

INDEX = """# Results

Studies on real data, each in a folder that `prunescope keep` wrote: `report.md` (the report with its `figures/`), `summary.csv`
(a row per network and seed: accuracies, costs, sizes and times in the report are means of these), `curves.csv` (validation
accuracy while training), `params.yaml` (all settings), `provenance.json` (the line below) and `metrics.tar.xz` (what the stages
wrote, as `metrics/<stage>/...`: the sources that the report names under its tables; `tar xf metrics.tar.xz` unpacks it;
similarities and measures by class at four digits, maps of networks of more than 40 layers at two, and of those the ones that
the report draws or a verdict reads; of `dense.npz` the similarities alone, in `metrics/cka/seeds/`, and the networks'
predictions joined: `images.csv` and `predictions.csv` of a folder have the same rows, a column per network). A test makes the
summary and the report again from the archive and compares. No images and no networks. Commands are those of the row's last
commit (`git checkout`), and need `make setup` there, the environment and the data (see the README); `prunescope check` with
their `-S` says at once what is missing. They run all that is asked for, also what stands under *not run*; hours are those of
the training that ran. They make the networks and their numbers; verdicts and sentences are by the rules of the code that this
page lies beside, which may be newer: `prunescope report results/<study>`.

"""


def kept_studies(results: Path) -> list[Path]:
    """The folders of results/ that `keep` wrote."""
    return sorted(of.parent for of in results.glob(f"*/{PROVENANCE}"))


def index(results: Path) -> str:
    """The Markdown of results/README.md: a line for each study there."""
    columns = ("study", "data and seeds", "not run", "training, hours", "machine", "versions", "commit", "command")
    lines = [columns, ("---",) * len(columns)]
    for folder in kept_studies(results):
        made, ran = provenance(folder), provenance(folder)["environment"]
        rows = pd.read_csv(folder / "summary.csv")
        seeds = rows[rows["kind"] == "pruned"].groupby(["dataset", "model"], sort=False)["seed"].nunique()
        n = ", ".join(f"{' '.join(map(str, cell))}: n = {count}" for cell, count in zip(seeds.index, seeds, strict=True))
        machine = ", ".join([ran["processor"], f"device {ran['device']}", f"{ran['threads']} thread(s)", ran["precision"]])
        versions = f"torch {ran['torch']}, torchvision {ran['torchvision']}, Python {ran['python']}"
        name, commit = f"[{folder.name}]({folder.name}/report.md)", ", ".join(made["commits"])
        hours = f"{made['training_hours']:.1f}"
        commands = "; ".join(f"`{of}`" for of in [*made.get("before", []), made["command"]])
        lines.append(
            (name, n, "; ".join(not_run(replace(kept(folder), given=rows))) or "–", hours, machine, versions, commit, commands)
        )
    return INDEX + "".join(f"| {' | '.join(line)} |\n" for line in lines)
