"""The page's figures with their texts."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, product
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from prunescope.evidence import endpoints, facts, paper, plotted
from prunescope.evidence.claims import Judged
from prunescope.figures import depth, forest, harm, heatmaps, levels, look, names, tables, training
from prunescope.figures.drawing import Drawing
from prunescope.report import maps
from prunescope.report.blocks import Block, Maps, Picture, Plot, Text
from prunescope.results.grid import Cell, Grid, cells_of
from prunescope.results.grid import levels as levels_of
from prunescope.results.results import Results

_FEWER = "; the network called channels has fewer channels, and less to multiply"
NAMED = 6  # layers that similarity leaves out


def _unit(results: Results) -> dict[str, str]:
    return {name: endpoints.title(results.grid.primary_of(name)) for name in results.grid.datasets}


def forest_figure(results: Results, *, every_level: bool = False) -> Iterator[Block]:
    """Differences to the dense control, of the study's first level or of all."""
    means, seeds = plotted.to_dense(results, every_level=every_level)
    if means.empty:
        return
    grid, level = results.grid, levels_of(results.grid)[0]
    far, left = _far(grid, means)
    means, seeds = (rows[~rows["method"].isin(far)] for rows in (means, seeds))
    where = "every level" if every_level else f"{level * 100:g} % sparsity"
    yield Plot(
        f"forest{'-levels' * every_level}.png",
        forest.forest(means, seeds, grid.methods, grid.margin, _unit(results)),
        f"Forest plot: each method less the dense control on the primary endpoint, {where}, a panel per data set and model.",
        f"Each method less an equally trained dense network, {where}. Dots: seeds. Diamonds: means. Lines: 95 % intervals of "
        f"one difference by itself, not corrected for their number. Grey: within {grid.margin:g}, the margin. "
        f"Left of 0: worse than dense. {forest.LOST}: a loss that is shown, allowing for all comparisons with dense.{left} "
        "Source: metrics/summary.csv.",
        folded=every_level,
    )


def _far(grid: Grid, rows: pd.DataFrame) -> tuple[list[str], str]:
    """The negative controls that a figure leaves out, for they set its scale, and the sentence that says so."""
    far = sorted({*grid.chance} & {*rows["method"]})
    if not far or len(far) == rows["method"].nunique():
        return [], ""
    return far, f" Not drawn, as a negative control may lie far off: {', '.join(far)} (in the tables)."


def level_figure(results: Results) -> Iterator[Block]:
    """Accuracy against sparsity, of models and data sets that ran at several levels."""
    rows, dense = plotted.by_level(results)
    rows = rows[rows.groupby(["dataset", "model"])["sparsity"].transform("nunique") > 1]
    far, left = _far(results.grid, rows)
    rows = rows[~rows["method"].isin(far)]
    if len(rows):
        yield Plot(
            "levels.png",
            levels.against_sparsity(rows, dense, results.grid.methods, results.grid.margin, _unit(results)),
            "Lines of the primary endpoint against sparsity, one per method, with the dense control as a band.",
            "The primary endpoint against sparsity. Dashed: the dense control, shaded its margin. Lines up and down: 95 % "
            f"intervals of the difference from it. Squares: shown to lose less than the margin, each taken singly.{left} Source: "
            "metrics/summary.csv.",
        )


def training_figures(results: Results) -> Iterator[Block]:
    budget = "" if facts.budgets_differ(results) else ", the budget the same for all"
    for number, (dataset, model) in enumerate(product(results.grid.datasets, results.grid.models)):
        where = f"{model} on {dataset}"
        yield from _plot(
            f"curves-{model}-{dataset}.png",
            training.training_curves(results, model, dataset),
            f"Curves of validation accuracy over optimizer steps, {where}: a panel per method, each beside the dense control.",
            f"{where}: training pruned (colour) against dense (grey){budget}. Means over seeds, bands their range. "
            "Source: the CSVs under metrics/prune and metrics/finetune.",
            folded=number > 0,
        )


def layers_figures(results: Results) -> Iterator[Block]:
    for number, (dataset, model) in enumerate(product(results.grid.datasets, results.grid.models)):
        where = f"{model} on {dataset}"
        yield from _plot(
            f"layers-{model}-{dataset}.png",
            training.layers_pruned(results, model, dataset),
            f"Bars of validation accuracy by number of layers pruned one after another, {where}.",
            f"{where}: layer after layer. Bars: after that layer's recovery. Points: right after its pruning, with the old "
            "batch-norm statistics and with re-estimated ones. Dashed: the dense control at the same step. Source: "
            "the CSVs under metrics/prune.",
            folded=number > 0,
        )


def paper_figure(results: Results, judged: Judged) -> Iterator[Block]:
    """The paper's differences between methods beside ours."""
    rows = paper.beside_ours(paper.accuracies(), judged)
    if len(rows):
        yield Plot(
            "paper.png",
            forest.pairs(rows, "points"),
            "Differences between methods with their intervals, the paper's and this study's.",
            "Differences between methods: the paper's accuracies (8 cells, full width, from ImageNet's weights, one seed), mean "
            "over its models, data sets and levels, beside this study's primary endpoints, mean over networks at the levels that "
            "Claims names, whose setting is another. 95 % intervals of others like them, as in Claims (of a single network: of "
            "it alone).",
        )


def harm_figures(results: Results) -> Iterator[Block]:
    rows = plotted.harm(results)
    if len(rows):
        yield Plot(
            "classes.png",
            harm.by_class(rows, results.grid.methods),
            "Recall of each class: the dense control as a bar, the methods as points, a panel per cell.",
            "Recall of each class, mean over seeds: grey bars dense, points the methods. ★ critical classes. Of many classes "
            "those that lose most. Source: the predictions under metrics/evaluate.",
        )


def subgroup_figure(results: Results) -> Iterator[Block]:
    rows = plotted.subgroup_changes(results)
    if len(rows):
        yield Plot(
            "subgroups.png",
            harm.by_subgroup(rows, results.grid.methods),
            "Changes by subgroup of images with intervals, a panel per cell.",
            f"Change from dense by subgroup, mean over seeds, 95 % intervals over test images: the {plotted.SUBGROUPS} that "
            "change most of each cell; small subgroups are left out. Source: the predictions under metrics/evaluate.",
        )


def cost_figure(results: Results) -> Iterator[Block]:
    rows = plotted.costs(results)
    if len(rows):
        yield Plot(
            "costs.png",
            levels.trade_off(rows, results.grid.methods, _unit(results)),
            "Points of the primary endpoint against the packed size and against the latency, one per network.",
            "What a network costs and what it gives, means over seeds. Dashed: networks that no other beats in both (Pareto; "
            "in time, of the same runtime). "
            "Sizes: packed by prunescope, of ONNX files by Zstandard; times: against the dense network in the same runtime. "
            f"Zeros make files smaller, not dense kernels faster{_FEWER if results.grid.channels else ''}. "
            "Source: metrics/summary.csv.",
        )


def depth_figures(results: Results) -> Iterator[Block]:
    for model, layers in facts.left_out(results).items():
        some = ", ".join(layers[:NAMED]) + (", ..." if len(layers) > NAMED else "")
        yield Text(
            f"Similarity of {model} leaves out {len(layers)} layer{'s' * (len(layers) > 1)}, of which no module of the network "
            f"puts out the features (attention's projections, say): {some}. All of them stand in metrics/cka under left_out."
        )
    seed = results.grid.seeds[0]
    for number, cell in enumerate(cells_of(results.grid)):
        name = cell.of(seed)
        yield from _plot(
            f"cka-depth-{name}.png",
            depth.by_depth(results, cell, seed),
            f"Curves of same-layer CKA by depth, {name}: dense with each method, methods with each other, yardsticks.",
            f"{cell}, seed {seed}: how alike the same layer is in two networks, from input to output. "
            f"{facts.probe_note(results, cell, seed)}. Bands: 95 % over images; of more than {depth.MANY} layers every line is a "
            f"running mean of {depth.WINDOW}. Source: metrics/cka, depth.csv; of two seeds dense.npz or, in a kept study, "
            "seeds/.",
            folded=number > 0,
        )


VIEWS: tuple[tuple[str, Callable[..., Figure | None], str], ...] = (
    ("inside", heatmaps.inside, "similarity of the layers inside each network"),
    ("between", heatmaps.between, "similarity of layers between networks"),
    ("students", heatmaps.students, "similarity of students and their teachers"),
)


def heatmap_figures(results: Results) -> Iterator[Block]:
    if data := maps.data(results):
        yield Maps(
            data,
            "Similarity (CKA) of every layer of one network with every layer of another: choose them, a seed or the mean over "
            "seeds, and what to show; the layers' names stand where the pointer is. Pruned networks share their dense parent, so "
            "high values are expected. Source: the matrix CSVs under metrics/cka.",
        )
    seed, methods = results.grid.seeds[0], results.grid.methods
    some = f": dense with each, and {', '.join(methods[: heatmaps.NEAR])} with each other" if len(methods) > heatmaps.MANY else ""
    others = {*combinations(methods, 2)} - {*heatmaps.pairs(methods, "between")}
    for cell in cells_of(results.grid):
        further = any(results.similarity_map(cell, seed, *pair) is not None for pair in others)  # a kept study may lack them
        cell_name, note = cell.of(seed), facts.probe_note(results, cell, seed)
        for name, draw, text in VIEWS:
            part = some + "; other pairs on the interactive page" * further if name == "between" else ""
            title = f"{cell_name}: {text}"
            key = _key(results, cell, seed, title, note)
            figure = partial(draw, results, cell, seed, title, note)
            if any(results.similarity_map(cell, seed, *pair) is not None for pair in heatmaps.pairs(results.grid.methods, name)):
                yield Picture(
                    f"cka-{name}-{cell_name}.png",
                    partial(_heat_map, figure),
                    key,
                    f"Heat maps of CKA, {cell_name}: {text}. Bright is similar (1), dark is unlike (0).",
                    f"{cell_name}: {text} ({note}){part}. Rows and columns are layers in network order; one colour scale for "
                    "all. Source: the matrix CSVs under metrics/cka.",
                )


def _heat_map(draw: Callable[[], Figure | None]) -> bytes:
    figure = draw()
    assert figure is not None, "a view is only listed where there is a map"
    return look.png(figure, heatmaps.palette())


def _key(results: Results, cell: Cell, seed: int, title: str, note: str) -> str:
    """What a heat map is made from: its texts, its code and its numbers."""
    digest = hashlib.sha256(f"{title}\n{note}\n{results.grid.methods}".encode())
    for module in (heatmaps, look, names):
        digest.update(Path(str(module.__file__)).read_bytes())
    for pair in heatmaps.pairs(results.grid.methods, ""):
        matrix = results.similarity_map(cell, seed, *pair)
        digest.update(b"-" if matrix is None else f"{[*matrix.index, *matrix.columns]}".encode() + matrix.to_numpy().tobytes())
    return digest.hexdigest()


def confusion_figures(results: Results) -> Iterator[Block]:
    """For data sets of few classes, whose names can be read."""
    for cell in cells_of(results.grid):
        name = f"{cell.model}-{cell.dataset}-{cell.sparsity}"
        yield from _plot(
            f"confusion-{name}.png",
            tables.confusion(results, cell),
            f"Confusion matrices, {name}: of each class's test images the share that each network took for which class.",
            f"Confusion matrices, {cell}. Rows are the true classes and add up to 100 %, means over seeds. Source: the "
            "predictions under metrics/evaluate.",
            folded=True,
        )


def _plot(name: str, drawing: Drawing | None, alt: str, caption: str, *, folded: bool = False) -> Iterator[Block]:
    if drawing is not None:
        yield Plot(name, drawing, alt, caption, folded)
