"""Write the README's result table from metrics/summary.csv and copy its figure from the report. Run by `make readme`."""

import re
import shutil
from pathlib import Path

import pandas as pd

from prunescope.params import load
from prunescope.report.quality import accuracy_table

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- results: [^\n]*-->\n).*?(<!-- /results -->)", re.DOTALL)


def table(root: Path = ROOT) -> str:
    """The accuracy table of the study in params.yaml as Markdown."""
    summary = pd.read_csv(root / "metrics" / "summary.csv")
    shown = accuracy_table(summary, load(root / "params.yaml").grid)
    lines = [list(shown.columns), ["---"] * len(shown.columns), *shown.astype(str).values.tolist()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    readme = ROOT / "README.md"
    text, count = BLOCK.subn(lambda found: found[1] + table() + found[2], readme.read_text(encoding="utf-8"))
    assert count == 1, "README.md lost its results block"
    readme.write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "report" / "figures" / "accuracy.png", ROOT / "docs" / "accuracy.png")


if __name__ == "__main__":
    main()
