"""The page's ROC curves."""

from collections.abc import Iterator

from prunescope.evidence import roc_curves
from prunescope.figures import harm
from prunescope.report.blocks import Block, Plot
from prunescope.results.grid import cells_of
from prunescope.results.results import Results


def blocks(results: Results) -> Iterator[Block]:
    """A figure per cell where the curves of every class were kept; of the other cells one of their critical classes."""
    methods = results.grid.methods
    for cell in cells_of(results.grid):
        rows = roc_curves.every_class(results, cell)
        if len(rows):
            name = f"{cell.model}-{cell.dataset}-{cell.sparsity}"
            yield Plot(
                f"roc-{name}.png",
                harm.roc(rows, methods, cells=False),
                f"ROC curves of every class, {name}: a panel per class, dense and each method.",
                f"ROC curves of every class, {cell}. One against the rest, means over seeds; dashed: dense. ★ critical classes. "
                "Source: the files named ...-roc.csv under metrics/evaluate.",
                folded=True,
            )
    rows = roc_curves.critical_classes(results)
    if len(rows):
        yield Plot(
            "roc.png",
            harm.roc(rows, methods, cells=True),
            "ROC curves of the critical classes, dense and each method.",
            "ROC curves of the critical classes. One against the rest, means over seeds; dashed: dense. Source: the scores in "
            "the predictions.",
            folded=True,
        )
