"""The page's sections of figures: accuracies and curves as in the paper, layer similarity by depth and as heat maps."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL.Image import Image

from prunescope.evidence import facts
from prunescope.figures import bars as figures
from prunescope.figures import confusion, depth, heatmaps, look
from prunescope.report.blocks import Block, Picture
from prunescope.results.arms import Study, cells_of, pruned_cell


def accuracy_figures(summary: pd.DataFrame, study: Study, metrics: Path) -> Iterator[Block]:
    equal = not facts.budgets_differ(summary)
    n = "Bars are means, whiskers one standard deviation." if len(study.seeds) > 1 else "One seed: no error bars."
    yield Picture(
        "accuracy.png",
        look.png(figures.accuracy_bars(summary, study)),
        "Bars of test accuracy per method beside the dense control, one panel per model and data set; the table above "
        "has the numbers.",
        f"Test accuracy{' at equal budgets' if equal else ''}. {n} Diamonds: balanced accuracy; strokes: right after the last "
        "pruning, before any training that follows it.",
    )
    for dataset in study.datasets:
        for model in study.models:
            where = f"{model} on {dataset}"
            yield from _picture(
                f"curves-{model}-{dataset}.png",
                figures.training_curves(metrics, study, model, dataset),
                f"Curves of validation accuracy over optimizer steps, {where}: pruned arms and the dense control.",
                f"{where}: training pruned against dense{', the budget the same for all' if equal else ''}. Triangles are "
                "measured right after a pruning. Source: the CSVs under metrics/prune and metrics/finetune.",
            )
            yield from _picture(
                f"layers-{model}-{dataset}.png",
                figures.layers_pruned(metrics, study, model, dataset),
                f"Bars of validation accuracy by number of layers pruned one after another, {where}.",
                f"{where}: layer after layer. Bars: after that layer's recovery; triangles: right after its pruning.",
            )


def depth_figures(study: Study, metrics: Path) -> Iterator[Block]:
    for model, dataset, level in cells_of(study):
        cell = pruned_cell(model, dataset, level, study.seeds[0])
        yield from _picture(
            f"cka-depth-{cell}.png",
            depth.by_depth(metrics, study, model, dataset, level, study.seeds[0], facts.probe_note(metrics, cell)),
            f"Curves of same-layer CKA by depth, {cell}: dense with each method, methods with each other, yardsticks.",
            f"{cell}: how alike the same layer is in two networks, from input to output. "
            "Source: metrics/cka, depth.csv; of two seeds dense.npz or, in a kept study, seeds/.",
        )


def heatmap_figures(study: Study, metrics: Path) -> Iterator[Block]:
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


def confusion_figures(study: Study, metrics: Path) -> Iterator[Block]:
    """For data sets of few classes, whose names can be read."""
    for model, dataset, level in cells_of(study):
        cell = f"{model}-{dataset}-{level}"
        yield from _picture(
            f"confusion-{cell}.png",
            confusion.matrices(metrics, study, model, dataset, level),
            f"Confusion matrices, {cell}: of each class's test images the share that each network took for which class.",
            f"{cell}: rows are the true classes and add up to 100 %, means over seeds. Source: the predictions under "
            "metrics/evaluate.",
        )
