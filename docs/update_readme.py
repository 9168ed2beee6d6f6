"""Write the README's tables: of results/<STUDY> and of the shipped study from metrics/summary.csv. Run by `make readme`.

Its second figure is copied from the shipped study's report; the first is results/<STUDY>'s own.
"""

import re
import shutil
import tempfile
from pathlib import Path

import pandas as pd
from collect_results import unpack

from prunescope.evidence.claims import claims_table, judge
from prunescope.evidence.measures import Evidence
from prunescope.evidence.quality import accuracy_table, headline_table
from prunescope.report.blocks import Table, markdown_table
from prunescope.study.params import Grid, load

ROOT = Path(__file__).resolve().parent.parent
STUDY = "real-small"  # of results/: the one on the README's first screen


def shipped(root: Path = ROOT) -> str:
    """The accuracy table of the study in params.yaml."""
    return _markdown(accuracy_table(pd.read_csv(root / "metrics/summary.csv"), load(root / "params.yaml").grid), labels=4)


def headline(study: Path = ROOT / "results" / STUDY) -> str:
    """Balanced accuracy of a kept study, a row per cell."""
    return _markdown(headline_table(pd.read_csv(study / "summary.csv"), _grid(study)), labels=3)


def verdicts(study: Path = ROOT / "results" / STUDY) -> str:
    """The paper's conclusions judged by a kept study."""
    with tempfile.TemporaryDirectory() as scratch:
        unpack(study / "metrics.tar.xz", Path(scratch))
        judged = judge(Evidence(_grid(study), pd.read_csv(study / "summary.csv"), Path(scratch) / "metrics"))
    return _markdown(claims_table(judged)[["conclusion of the paper", "verdict", "cells"]], labels=3)


BLOCKS = {"headline": headline, "verdicts": verdicts, "shipped": shipped}


def _grid(study: Path) -> Grid:
    return load(study / "params.yaml").grid


def _markdown(frame: pd.DataFrame, labels: int) -> str:
    return markdown_table(Table(frame, "", labels=labels)) + "\n"


def fill(text: str, name: str, made: str) -> str:
    """The README's text with `made` as its block `name`."""
    block = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    text, count = block.subn(lambda found: found[1] + made + found[2], text)
    assert count == 1, f"README.md lost its block {name}"
    return text


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    for name, table in BLOCKS.items():
        text = fill(text, name, table())
    readme.write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "report/figures/accuracy.png", ROOT / "docs/accuracy.png")


if __name__ == "__main__":
    main()
