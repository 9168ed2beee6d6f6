"""Write the generated blocks of README.md and docs/*.md: of two kept studies, and of the shipped one from metrics/summary.csv.

    make readme

A block stands between `<!-- name: ... -->` and `<!-- /name -->`. The picture of the shipped study is copied from its report.
"""

import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd

from prunescope.evidence.claims import Judged, judge
from prunescope.evidence.quality import accuracy_table, headline_table
from prunescope.evidence.verdicts import claims_table
from prunescope.report.blocks import Table, escape, markdown_table
from prunescope.report.decision import sentences
from prunescope.report.page import compact
from prunescope.results.grid import levels
from prunescope.results.results import Results, kept, of_summary
from prunescope.study.params import load

ROOT = Path(__file__).resolve().parent.parent
STUDY = "decisive"  # of results/: the one on the README's first screen
REGIME = "paper-small"  # the one that prunes as the paper does: the base before it has seen the data
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


@cache
def study(name: str = STUDY) -> Results:
    return kept(ROOT / "results" / name)


@cache
def judged(name: str = STUDY) -> Judged:
    return judge(study(name))


def shipped() -> str:
    """The accuracy table of the study in params.yaml."""
    return _markdown(accuracy_table(of_summary(ROOT / "metrics/summary.csv", load(ROOT / "params.yaml").grid)), labels=4)


def headline() -> str:
    """The primary endpoint of the kept study by cell and network, at its first level."""
    table, labels = headline_table(study(), levels(study().grid)[:1])
    return _markdown(table, labels=labels)


def verdicts() -> str:
    """The paper's conclusions judged by the kept study, and by the one that prunes first."""
    table, own = (claims_table(judged(name)).set_index("conclusion of the paper")["verdict"] for name in (STUDY, REGIME))
    both = pd.DataFrame({"verdict": table, "pruned before it is learnt": own}).reset_index()
    return _markdown(both.replace("not enough data", "open"), labels=3)


# The beginnings of those sentences of the page's first screen that stand here.
SHOWN = ("Safe,", "Not", "Losses,", "Losses:", "Melanoma", "Size")


def short() -> str:
    """What the kept study shows, in a few sentences: those of its page."""
    results = study()
    points = [of for of in sentences(results) if of.split()[0] in SHOWN and "without a threshold" not in of]  # few words
    return "".join(f"- {escape(point)}\n" for point in points if point)


def took() -> str:
    """Minutes of training by kind of network and data set."""
    rows = study().summary
    minutes = (rows.groupby(["kind", "dataset"], sort=False)["seconds"].mean() / 60).unstack()
    numbers = rows.groupby("kind", sort=False)["method"].nunique()
    several = len(levels(study().grid)) > 1
    each = {kind: " and level" for kind in ("pruned", "narrow", "channels", "student") if several}
    titles = [
        f"{kind}, {count} a seed{each.get(str(kind), '')}" if count > 1 or kind in each else str(kind)
        for kind, count in numbers.items()
    ]
    hours = rows.groupby("seed")["seconds"].sum() / 3600
    table = (
        minutes.reindex(index=numbers.index, columns=list(study().grid.datasets))
        .map("{:.0f}".format, na_action="ignore")
        .fillna("–")
    )
    table.insert(0, "network", titles)
    return f"{_markdown(table, labels=1)}\nTogether {hours.min():.1f} to {hours.max():.1f} hours of one thread a seed.\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "headline": headline,
    "verdicts": verdicts,
    "short": short,
    "shipped": shipped,
    "took": took,
}


def _markdown(frame: pd.DataFrame, labels: int) -> str:
    table = compact(Table(frame, "", labels=labels))
    assert isinstance(table, Table)
    return markdown_table(table) + "\n"


def names_in(text: str) -> list[str]:
    """The blocks of a page."""
    return re.findall(r"(?m)^<!-- (\w+): written by `make readme`", text)


def fill(text: str, name: str, made: str) -> str:
    """The page's text with `made` as its block `name`."""
    block = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    text, count = block.subn(lambda found: found[1] + made + found[2], text)
    assert count == 1, f"found {count} blocks {name}, wanted one"
    return text


def main() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in names_in(text):
            text = fill(text, name, BLOCKS[name]())
        page.write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "report/figures/forest.png", ROOT / "docs/forest.png")


if __name__ == "__main__":
    main()
