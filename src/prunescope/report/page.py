"""The report's page: gathers tables, figures and facts in order and writes report.md, report.html and figures/."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL.Image import Image

from prunescope.files import write_bytes, write_text
from prunescope.report import classes, depth, facts, figures, heatmaps, likeness, look, storage, tables
from prunescope.report.arms import Study, levels, pruned_cell
from prunescope.report.blocks import Block, Commands, Picture, Section, Table, Text, to_html, to_markdown
from prunescope.report.claims import answer

QUESTION = "Does it matter how a network is pruned, what does it cost, and does it still see the same things inside?"
STORAGE = (
    "Unstructured zeros save storage, not time: the zeros stay in their places, dense kernels multiply them like any "
    "other number, and latency stays that of the dense network. Nonzero MACs and the theoretical speed-up say what "
    "sparse hardware could reach."
)
NO_PAPER = (
    "The paper's own accuracies do not come with the project: rows in src/prunescope/report/paper.csv appear "
    "beside ours wherever a cell is the paper's."
)


def write(study: Study, metrics: Path, out: Path, *, provenance: dict[str, str], reproduce: list[str], method: str) -> None:
    """Write out/report.md, out/report.html (self-contained) and out/figures/*.png from the files under `metrics`.

    `provenance` is printed as given, `reproduce` are shell lines, `method` is the one of metrics/selected.json. Missing
    cells show as "not run".
    """
    content = sections(study, metrics, provenance=provenance, reproduce=reproduce, method=method)
    for section in content:
        for block in section.blocks:
            if isinstance(block, Picture):
                write_bytes(out / "figures" / block.name, block.png)
    about = f"prunescope report of the study {study.name}: {', '.join(study.models)}; {', '.join(study.datasets)}"
    write_text(out / "report.md", to_markdown(QUESTION, about, content))
    write_text(out / "report.html", to_html(QUESTION, about, content))


def sections(study: Study, metrics: Path, *, provenance: dict[str, str], reproduce: list[str], method: str) -> list[Section]:
    """The report's content in its order."""
    summary = tables.summarise(metrics, study)
    seen, trust = answer(summary, study)
    chosen = f"The chosen method (parameter method) is {method}; its numbers alone stand in metrics/selected.json."
    return [
        Section("Answer", [Text(f"{seen} {trust}", lead=True), Text(chosen)]),
        Section("Accuracy", list(_accuracy(summary, study))),
        Section("Who pays", list(_who_pays(study, metrics))),
        Section("Figures", list(_figures(summary, study, metrics))),
        Section("Students", list(_students(summary, study))),
        Section("Budgets and costs", list(_budgets(summary, study, metrics))),
        Section("Data", list(_data(study, metrics))),
        Section("Layer similarity", list(_similarity(study, metrics))),
        Section("Provenance", list(_provenance(study, metrics, provenance))),
        Section("How to reproduce", [Commands(reproduce)]),
    ]


def _accuracy(summary: pd.DataFrame, study: Study) -> Iterator[Block]:
    paper = tables.paper_accuracies()
    table = tables.accuracy_table(summary, study, paper)
    seeds = "mean ± sample standard deviation over n seeds" if len(study.seeds) > 1 else "n = 1: one seed, so no error bar"
    budget = "Attention: not all arms trained for the same number of steps, see below."
    if not facts.budgets_differ(summary):
        budget = "The dense control trained for as many steps as the pruned arms."
    yield Table(
        table,
        f"Test split, which no training stage reads; {seeds}. {budget} Sparsity counts prunable weights (conv and linear), "
        "compression all parameters. Source: metrics/summary.csv.",
        labels=4,
    )
    if paper.empty:
        yield Text(NO_PAPER)
    elif "paper %" not in table.columns:
        yield Text("None of the paper's transcribed accuracies belongs to a cell of this study.")


def _who_pays(study: Study, metrics: Path) -> Iterator[Block]:
    table = classes.who_pays_table(metrics, study)
    if table.empty:
        yield Text("The change of each class's recall: not run.")
        return
    yield Table(
        table,
        "Change of recall (sensitivity) from the dense control to each method, in percentage points, mean over seeds; per cell "
        f"the {classes.SHOWN} classes that lose most on average. In brackets 95 % intervals over test images, resampled by group "
        "(lesion); a dot where they leave zero out. With many classes some do so by chance alone (one in twenty). Source: the "
        "predictions under metrics/evaluate.",
        labels=4,
    )


def _figures(summary: pd.DataFrame, study: Study, metrics: Path) -> Iterator[Block]:
    n = "Bars are means, whiskers one standard deviation." if len(study.seeds) > 1 else "One seed: no error bars."
    yield Picture(
        "accuracy.png",
        look.png(figures.accuracy_bars(summary, study)),
        "Bars of test accuracy per method beside the dense control, one panel per model and data set; the table above "
        "has the numbers.",
        f"Test accuracy at equal budgets. {n} Diamonds: balanced accuracy; strokes: right after the last pruning, "
        "before any training that follows it.",
    )
    for dataset in study.datasets:
        for model in study.models:
            where = f"{model} on {dataset}"
            yield from _picture(
                f"curves-{model}-{dataset}.png",
                figures.training_curves(metrics, study, model, dataset),
                f"Curves of validation accuracy over optimizer steps, {where}: pruned arms and the dense control.",
                f"{where}: training pruned against dense. The budget is the same for all; triangles are measured right "
                "after a pruning. Source: the CSVs under metrics/prune and metrics/finetune.",
            )
            yield from _picture(
                f"layers-{model}-{dataset}.png",
                figures.layers_pruned(metrics, study, model, dataset),
                f"Bars of validation accuracy by number of layers pruned one after another, {where}.",
                f"{where}: layer after layer. Bars: after that layer's recovery; triangles: right after its pruning.",
            )
    yield from _depths(study, metrics)
    yield from _heatmaps(study, metrics)


def _depths(study: Study, metrics: Path) -> Iterator[Block]:
    for dataset in study.datasets:
        for model in study.models:
            for level in levels(study):
                cell = pruned_cell(model, dataset, level, study.seeds[0])
                yield from _picture(
                    f"cka-depth-{cell}.png",
                    depth.by_depth(metrics, study, model, dataset, level, study.seeds[0], facts.probe_note(metrics, cell)),
                    f"Curves of same-layer CKA by depth, {cell}: dense with each method, methods with each other, yardsticks.",
                    f"{cell}: how alike the same layer is in two networks, from input to output. "
                    "Source: metrics/cka, depth.csv and dense.npz.",
                )


def _heatmaps(study: Study, metrics: Path) -> Iterator[Block]:
    networks = ["dense", *study.methods]
    views: list[tuple[str, Callable[..., Figure | None], list[str], str]] = [
        ("inside", heatmaps.inside, networks, "similarity of the layers inside each network"),
        ("between", heatmaps.between, networks, "similarity of layers between networks"),
        ("students", heatmaps.students, list(study.methods), "similarity of students and their teachers"),
    ]
    for cell in facts.cka_cells(study, seeds=1):
        note = facts.probe_note(metrics, cell)
        for name, draw, members, text in views:
            yield from _picture(
                f"cka-{name}-{cell}.png",
                draw(metrics / "cka" / cell, members, f"{cell}: {text}", note),
                f"Heat maps of CKA, {cell}: {text}. Bright is similar (1), dark is unlike (0).",
                f"{cell}: {text} ({note}). Rows and columns are layers in network order; one colour scale for all. "
                "Pruned networks share their dense parent, so high values are expected. "
                "Source: the matrix CSVs under metrics/cka.",
                heatmaps.palette(),
            )


def _picture(name: str, figure: Figure | None, alt: str, caption: str, palette: Image | None = None) -> Iterator[Block]:
    if figure is not None:
        yield Picture(name, look.png(figure, palette), alt, caption)


def _students(summary: pd.DataFrame, study: Study) -> Iterator[Block]:
    table = tables.student_table(summary, study)
    if table.empty:
        yield Text("No model of this study teaches a student.")
        return
    yield Table(
        table,
        "Students beside their teachers; alone: the same steps without a teacher. A student is a dense network: it can "
        "have more nonzero parameters than its pruned teacher and still be the one that is really faster. "
        "Source: metrics/summary.csv.",
        labels=4,
    )


def _budgets(summary: pd.DataFrame, study: Study, metrics: Path) -> Iterator[Block]:
    differ = facts.budgets_differ(summary)
    if differ:
        yield Text(f"Attention: the arms of {', '.join(differ)} did not all train for the same number of steps.")
    elif len(summary):
        yield Text("All dense and pruned arms of a model and data set trained for the same number of steps.")
    mixed = [cell for cell, hashes in facts.base_hashes(metrics, study).items() if len(hashes) > 1]
    if mixed:
        yield Text(f"Attention: the arms of {', '.join(mixed)} started from different base checkpoints.")
    yield Table(
        tables.budget_table(summary, study),
        "Training after the base checkpoint, prune and finetune stages together. Source: metrics/summary.csv.",
        labels=4,
    )
    yield Text(STORAGE)
    place, spread = storage.timed_on(metrics, study), storage.spread_of_latency(metrics, study)
    timed = f"Latency: median of forward passes on {place}; quartiles at most {spread:.0%} apart. " if spread is not None else ""
    yield Table(
        storage.storage_table(summary, study),
        "Size and arithmetic of the whole model (M: million; MB: million bytes). Packed: what `prunescope pack` writes, a bit "
        f"per weight and the values that are left, lossless; bf16: weights rounded to 16 bits. {timed}"
        "Source: metrics/summary.csv, metrics/evaluate.",
        labels=4,
    )


def _data(study: Study, metrics: Path) -> Iterator[Block]:
    table = facts.data_table(metrics, study)
    leak = "groups (lesions)" in table.columns
    groups = " Images of one group (lesion) never lie in two splits." if leak else ""
    if "leak of a random split %" in table.columns:
        groups += " The leak is the share of test images whose lesion a random split would also have put into training."
    if set(facts.DUPLICATES.values()) & set(table.columns):
        groups += " Images as in another split or class have the same pixels as one there."
    yield Table(table, f"Images per split.{groups} Source: metrics/download.", labels=1)
    if len(classes := facts.class_table(metrics, study)):
        yield Table(classes, "Images per class and split. Source: metrics/download.", labels=2)


def _similarity(study: Study, metrics: Path) -> Iterator[Block]:
    table = likeness.similarity_table(metrics, study)
    if table.empty:
        yield Text("Layer similarity (CKA): not run.")
        return
    yield Table(
        table,
        "Pairs of networks. CKA: mean over the layers of the similarity of the same layer in both, with its 95 % interval over "
        "probe images. Yardsticks: an untrained network, and where there are several seeds the dense networks of two. Kept "
        "weights shared: of those that either keep; in brackets what independent masks of the same densities share. "
        "Sources: metrics/cka, metrics/evaluate.",
        labels=2,
    )
    yield Table(
        likeness.inside_table(metrics, study),
        "Inside one network: mean similarity of its different layers (low: they differ), with the same interval. "
        "Source: metrics/cka.",
        labels=1,
    )


def _provenance(study: Study, metrics: Path, provenance: dict[str, str]) -> Iterator[Block]:
    bases = {
        f"base checkpoint of {cell}, sha256": ", ".join(sorted(hashes))
        for cell, hashes in facts.base_hashes(metrics, study).items()
    }
    rows = provenance | facts.environment(metrics, study) | bases
    frame = pd.DataFrame({"what": list(rows), "value": [str(value) for value in rows.values()]})
    yield Table(frame, "What made these numbers.", labels=2)
