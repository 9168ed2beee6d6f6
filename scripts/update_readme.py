"""Write the generated blocks of README.md and docs/*.md: of two kept studies, and of the shipped one from metrics/summary.csv.

    make readme

A block stands between `<!-- name: ... -->` and `<!-- /name -->`. The picture of the shipped study is copied from its report.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd

import prices
from prunescope.evidence.claims import CLAIMS, FAILS, HOLDS, Judged, judge, verdict
from prunescope.evidence.differences import judged as compared
from prunescope.evidence.inference import EQUAL, NOT_RUN, OPEN
from prunescope.evidence.quality import accuracy_table, headline_table
from prunescope.evidence.studywide import elsewhere, here, over_study
from prunescope.evidence.verdicts import by_verdict
from prunescope.report.blocks import Table, escape, markdown_table
from prunescope.report.decision import sentences
from prunescope.report.page import compact
from prunescope.results.grid import DENSE, cells_of, levels
from prunescope.results.results import Results, kept, of_summary
from prunescope.study.params import load

ROOT = Path(__file__).resolve().parent.parent
STUDY = "decisive"  # of results/: the one on the README's first screen
REGIME = "paper-small"  # the one that prunes as the paper does: the base before it has seen the data
STAGES = {  # besides training
    "evaluate": "once a seed and level", "evaluate-dense": "once a seed", "cka": "once a seed and level",
    "sensitivity": "once a seed", "deploy": "per format",
}  # fmt: skip
WORDS = {OPEN: "open", NOT_RUN: "–", EQUAL: "equal"}
SEVERAL = WORDS | {HOLDS: "yes", FAILS: "no"}  # in a count
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


@cache
def study(name: str = STUDY) -> Results:
    return kept(ROOT / "results" / name)


@cache
def judged(results: Results) -> Judged:
    return judge(results)


def words(results: Results, least: float = 1.0) -> list[str]:
    """The verdict on each conclusion in the networks that ran; least: see `over_study`."""
    return [here(over_study(cells, least)) for cells in judged(results).values()]


def cells(results: Results) -> list[str]:
    """In how many cells of those that ran each conclusion has which verdict."""
    ran = [{word: of for word, of in by_verdict(cells).items() if word != NOT_RUN} for cells in judged(results).values()]
    return [", ".join(f"{len(of)} {SEVERAL.get(word, word)}" for word, of in found.items()) or WORDS[NOT_RUN] for found in ran]


def shipped() -> str:
    """The accuracy table of the study in params.yaml."""
    return _markdown(accuracy_table(of_summary(ROOT / "metrics/summary.csv", load(ROOT / "params.yaml").grid)), labels=4)


def headline() -> str:
    """The primary endpoint of the kept study by cell and network, at its first level."""
    table, labels = headline_table(study(), levels(study().grid)[:1])
    if table["n"].nunique() == 1:  # one column fewer
        table = table.rename(columns={"network": f"network, n = {table['n'].iloc[0]}"}).drop(columns="n")
    return re.sub(r"(?<=\d), (?=\d)", "/", _markdown(table, labels=labels).replace(" ± ", "±"))  # narrow columns


def verdicts() -> str:
    """The paper's conclusions judged by the kept study, in its networks and of others, and by the study that prunes first."""
    others = [elsewhere(over_study(cells)) for cells in judged(study()).values()]
    columns = {"in these networks": words(study()), "of others": others, "cell by cell": cells(study())}
    columns |= {"pruned first": words(study(REGIME))}
    table = pd.DataFrame({"conclusion of the paper": [claim.text for claim in CLAIMS], **columns}).replace(WORDS)
    return _markdown(table, labels=len(table.columns))


def without_one(results: Results) -> list[str]:
    """In how many of the studies that lack one of the cells that ran the verdict is the same."""
    found = []
    for cells in judged(results).values():
        ran = [cell for cell, of in cells.items() if verdict(of) != NOT_RUN]
        others = [here(over_study({cell: of for cell, of in cells.items() if cell != left})) for left in ran]
        found.append(f"{others.count(here(over_study(cells)))} of {len(others)}" if len(others) > 1 else "–")
    return found


def otherwise() -> str:
    """The verdicts as they would be with one level alone, with negative controls in the pool of the others' noise, and with
    smaller means taken for contradictions."""
    results, level = study(), levels(study().grid)[0]
    others = {
        "as judged": results,
        f"of {level * 100:g} % alone": replace(results, grid=replace(results.grid, sparsities=(level,))),
        "with negative controls in the pool": replace(results, grid=replace(results.grid, chance=())),
    }
    claims = {title: words(of) for title, of in others.items()}
    table = pd.DataFrame({"conclusion": [str(claim.number) for claim in CLAIMS]} | claims)
    dense = {
        title: [
            compare.verdict
            for found in compared(of).values()
            for (method, other), compare in found.items()
            if other == DENSE and method in results.grid.choices and compare.judgement.estimate.n
        ]
        for title, of in others.items()
    }
    table.loc[len(table)] = ["with dense, open", *(f"{of.count(OPEN)} of {len(of)}" for of in dense.values())]
    table.insert(2, "the same without one cell", [*without_one(results), "–"])
    table["with contradictions from half the margin on"] = [*words(results, 0.5), "–"]
    return _markdown(table, labels=len(table.columns))


def price() -> str:
    """What the conclusions that are open would take."""
    return _markdown(prices.table(study(), judged(study())), labels=4)


# The beginnings of those sentences of the page's first screen that stand here.
SHOWN = ("Safe,", "Not", "Losses,", "Losses", "Losses:", "Cause,", "Melanoma", "Size")
TAILS = (". Measured at", ". Taken singly", ". Certain as well", "; their means over both kinds in")  # the report has room


def short() -> str:
    """What the kept study shows, in a few sentences: those of its page."""
    results = study()
    points = [of for of in sentences(results) if of.split()[0] in SHOWN and "without a threshold" not in of]  # few words
    points = [min((of.split(tail)[0] for tail in TAILS), key=len).removesuffix(".") + "." for of in points]
    return "".join(f"- {escape(point)}\n" for point in points if point)


def took() -> str:
    """Minutes of training by kind of network and data set."""
    rows = study().summary
    of_dense = (rows["kind"] == "student") & (rows["sparsity"] == 0)
    rows = rows.assign(kind=rows["kind"].mask(of_dense, "student of dense or of nobody"))
    minutes = (rows.groupby(["kind", "model", "dataset"], sort=False)["seconds"].mean() / 60).unstack([1, 2])
    minutes.columns = [f"{model} on {dataset}" for model, dataset in minutes.columns]
    numbers = rows.groupby("kind", sort=False)["method"].nunique()
    several = len(levels(study().grid)) > 1
    each = {kind: " and level" for kind in ("pruned", "narrow", "channels", "student") if several}
    titles = [
        f"{kind}, {count} a seed{each.get(str(kind), '')}" if count > 1 or kind in each else str(kind)
        for kind, count in numbers.items()
    ]
    ran = rows.groupby("seed")[["model", "dataset", "sparsity"]].apply(lambda of: len(of.drop_duplicates()))
    hours = rows.groupby("seed")["seconds"].sum()[ran == ran.max()] / 3600  # a seed may lack what others have
    table = minutes.reindex(index=numbers.index).map("{:.0f}".format, na_action="ignore").fillna("–")
    table.insert(0, "network", titles)
    for stage, title in STAGES.items():
        noted = [_noted(stage, str(network)) for network in minutes.columns]
        if any(noted):
            table.loc[stage] = [f"{stage}, {title}", *(f"{sum(of) / len(of) / 60:.1f}" if of else "–" for of in noted)]
    a_seed = f"Training of a seed with all cells: {hours.min():.1f} to {hours.max():.1f} hours of one thread."
    written = rows["size_dense_bytes"] * (1 + (rows["kind"] == "pruned"))  # before recovery, and after
    size = written.groupby(rows["seed"]).sum()[ran == ran.max()].mean() / 1e9
    return f"{_markdown(table, labels=1)}\n{a_seed} The networks of a seed, as files: {size:.1f} GB.\n"


def _noted(stage: str, network: str) -> list[float]:
    """Seconds of a kind of stage as `prunescope run` noted them."""
    times = study().files.json("runner/times.json") or {}
    cells = [cell for cell in cells_of(study().grid) if cell.network == network]
    names = {f"-{of}" for cell in cells for seed in study().grid.seeds for of in (cell.of(seed), cell.dense(seed))}
    return [of for name, of in times.items() if name.startswith(f"{stage}@") and name.replace("@", "-").endswith(tuple(names))]


BLOCKS: dict[str, Callable[[], str]] = {
    "headline": headline,
    "verdicts": verdicts,
    "short": short,
    "shipped": shipped,
    "took": took,
    "otherwise": otherwise,
    "price": price,
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
