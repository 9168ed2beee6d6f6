"""The page's sections of figures: accuracies and curves as in the paper, layer similarity by depth and as heat maps."""

from collections.abc import Callable, Iterator

from matplotlib.figure import Figure
from PIL.Image import Image

from prunescope.evidence import facts
from prunescope.figures import bars, confusion, curves, depth, heatmaps, look
from prunescope.report.blocks import Block, Picture, Text
from prunescope.results.grid import cells_of
from prunescope.results.results import Results

NAMED = 6  # layers that similarity leaves out


def accuracy_figures(results: Results) -> Iterator[Block]:
    equal = not facts.budgets_differ(results)
    n = "Bars are means, whiskers one standard deviation." if len(results.grid.seeds) > 1 else "One seed: no error bars."
    yield Picture(
        "accuracy.png",
        look.png(bars.accuracy_bars(results)),
        "Bars of test accuracy per method beside the dense control, one panel per model and data set; the table above "
        "has the numbers.",
        f"Test accuracy{' at equal budgets' if equal else ''}. {n} Diamonds: balanced accuracy; strokes: right after the last "
        "pruning, before any training that follows it; triangles: the same with re-estimated batch-norm statistics.",
    )
    for dataset in results.grid.datasets:
        for model in results.grid.models:
            where = f"{model} on {dataset}"
            yield from _picture(
                f"curves-{model}-{dataset}.png",
                curves.training_curves(results, model, dataset),
                f"Curves of validation accuracy over optimizer steps, {where}: pruned arms and the dense control.",
                f"{where}: training pruned against dense{', the budget the same for all' if equal else ''}. Triangles are "
                "measured right after a pruning. Source: the CSVs under metrics/prune and metrics/finetune.",
            )
            yield from _picture(
                f"layers-{model}-{dataset}.png",
                bars.layers_pruned(results, model, dataset),
                f"Bars of validation accuracy by number of layers pruned one after another, {where}.",
                f"{where}: layer after layer. Bars: after that layer's recovery; triangles: right after its pruning, "
                "hollow ones with re-estimated batch-norm statistics; line: the dense control at the same step.",
            )


def depth_figures(results: Results) -> Iterator[Block]:
    for model, layers in facts.left_out(results).items():
        some = ", ".join(layers[:NAMED]) + (", ..." if len(layers) > NAMED else "")
        yield Text(
            f"Similarity of {model} leaves out {len(layers)} layer{'s' * (len(layers) > 1)}, of which no module of the network "
            f"puts out the features (attention's projections, say): {some}. All of them stand in metrics/cka under left_out."
        )
    seed = results.grid.seeds[0]
    for cell in cells_of(results.grid):
        name = cell.of(seed)
        yield from _picture(
            f"cka-depth-{name}.png",
            depth.by_depth(results, cell, seed, facts.probe_note(results, cell, seed)),
            f"Curves of same-layer CKA by depth, {name}: dense with each method, methods with each other, yardsticks.",
            f"{name}: how alike the same layer is in two networks, from input to output. "
            "Source: metrics/cka, depth.csv; of two seeds dense.npz or, in a kept study, seeds/.",
        )


VIEWS: tuple[tuple[str, Callable[..., Figure | None], str], ...] = (
    ("inside", heatmaps.inside, "similarity of the layers inside each network"),
    ("between", heatmaps.between, "similarity of layers between networks"),
    ("students", heatmaps.students, "similarity of students and their teachers"),
)


def heatmap_figures(results: Results) -> Iterator[Block]:
    seed = results.grid.seeds[0]
    for cell in cells_of(results.grid):
        cell_name, note = cell.of(seed), facts.probe_note(results, cell, seed)
        for name, draw, text in VIEWS:
            yield from _picture(
                f"cka-{name}-{cell_name}.png",
                draw(results, cell, seed, f"{cell_name}: {text}", note),
                f"Heat maps of CKA, {cell_name}: {text}. Bright is similar (1), dark is unlike (0).",
                f"{cell_name}: {text} ({note}). Rows and columns are layers in network order; one colour scale for all. "
                "Pruned networks share their dense parent, so high values are expected. "
                "Source: the matrix CSVs under metrics/cka.",
                heatmaps.palette(),
            )


def _picture(name: str, figure: Figure | None, alt: str, caption: str, palette: Image | None = None) -> Iterator[Block]:
    if figure is not None:
        yield Picture(name, look.png(figure, palette), alt, caption)


def confusion_figures(results: Results) -> Iterator[Block]:
    """For data sets of few classes, whose names can be read."""
    for cell in cells_of(results.grid):
        name = f"{cell.model}-{cell.dataset}-{cell.sparsity}"
        yield from _picture(
            f"confusion-{name}.png",
            confusion.matrices(results, cell),
            f"Confusion matrices, {name}: of each class's test images the share that each network took for which class.",
            f"{name}: rows are the true classes and add up to 100 %, means over seeds. Source: the predictions under "
            "metrics/evaluate.",
        )
