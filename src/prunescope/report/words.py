"""What the words of the page mean, for who has never seen it."""

from prunescope.results.grid import Grid

METHODS = {
    "oneshot": "the whole network pruned once, then all recovery training",
    "layerwise": "one layer pruned after the other, with recovery after each",
    "iterative": "a step more of all weights in each round, with recovery between",
    "oneshot-uniform": "as oneshot, every layer to the same level",
    "iterative-uniform": "as iterative, every layer to the same level",
    "layerwise-global": "as layerwise, each layer to the level that one ranking of all weights gives it",
    "random": "as oneshot, but random weights go (a negative control, of which the sentences above do not speak)",
    "oneshot-taught": "as oneshot, recovery taught by the dense base",
    "iterative-taught": "as iterative, recovery taught by the dense base",
}


def words(grid: Grid) -> str:
    """A paragraph, its first sentence the title."""
    methods = "; ".join(f"{name}: {METHODS[name]}" for name in grid.methods if name in METHODS)
    return (
        "What the words mean. Dense: the same network, not pruned, trained for as many steps. "
        f"{methods[:1].upper()}{methods[1:]}. Sparsity: the share of the weights of convolutions and linear layers that are "
        "zero. "
        "Recall of a class (sensitivity): the share of its images that are found. Seed: one run of everything from other random "
        "numbers. A cell: one model on one data set at one sparsity. Shown: beyond chance, allowing for the number of "
        "comparisons. "
        "Equal within the margin: shown to differ by less than the margin, which stands in params.yaml."
    )
