"""The page's section on single layers: which of them can be pruned, and which cannot."""

from collections.abc import Iterator

from prunescope.evidence.sensitivity import SHOWN, most_sensitive, sensitivity_table, tried_layers
from prunescope.figures.tables import layer_map
from prunescope.report.blocks import Block, Plot, Table, Text
from prunescope.results.results import Results


def layer_blocks(results: Results) -> Iterator[Block]:
    """Nothing where no layer was tried."""
    found = list(tried_layers(results))
    if not found:
        return
    yield Text(" ".join(map(most_sensitive, found)))
    for of in found:
        where = f"{of.model} on {of.dataset}"
        n = f"mean over {of.seeds} seeds" if of.seeds > 1 else "one seed"
        yield Plot(
            f"sensitivity-{of.model}-{of.dataset}.png",
            layer_map(of.lost(), f"{where}: accuracy lost with one layer pruned, all others dense"),
            f"Heat map of layer sensitivity, {where}: layers from input (left) to output, a line a level. Dark loses much.",
            f"{where}: points of validation accuracy that the dense base loses when the smallest weights of one layer go (batch "
            f"norm re-estimated, nothing trained), {n}; one of {of.images:,} images is {100 / of.images:.1f} points. What "
            "several layers cost together it does not say. Source: metrics/sensitivity.",
        )
    yield Table(
        sensitivity_table(results),
        f"The {SHOWN} layers that lose most at the highest level and the {SHOWN} that lose least (ties: by the rise of the cross "
        "entropy), with their weights and the points of validation accuracy lost at each level. A layer's level is its own: a "
        "small layer has little to give. Source: metrics/sensitivity.",
        labels=4,
        folded=True,
    )
