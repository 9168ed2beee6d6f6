"""Layer sensitivity: what pruning one layer costs while all others stay dense. Forward passes alone, nothing is trained."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import nn

from prunescope.data.batches import Batches
from prunescope.networks.masks import achieved_sparsity, apply_, layer_of, ones
from prunescope.pruning.calibration import fill_buffers_, reestimate_
from prunescope.pruning.plans import Round
from prunescope.pruning.recovery import MEASURED_BATCHES
from prunescope.pruning.run import prune
from prunescope.pruning.scores import magnitude

COLUMNS = ("layer", "level", "weights", "achieved", "accuracy", "loss")

Weights = dict[str, nn.Parameter]
Row = tuple[str, float, int, float, float, float | None]


def layer_sensitivity(
    network: nn.Module,
    weights: Weights,
    levels: Sequence[float],
    *,
    batches: Batches,
    validate: Callable[[nn.Module], tuple[float, float]],
    precision: torch.dtype,
) -> Iterator[Row]:
    """Rows of COLUMNS: first the dense network (no layer's name, level 0), then each layer in network order at each level.

    weights: the prunable ones · validate: network -> (loss, accuracy as a fraction)
    The smallest weights of the layer go, exactly as many as the level says. Batch-norm statistics are re-estimated for every
    row, the dense one too, as recovery measures them: else stale statistics would look like sensitivity. Between rows and
    afterwards the network is what it was, bit for bit. A loss that is not finite is None.
    """
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}

    def row(name: str, of: Weights, level: float) -> Row:
        reestimate_(network, batches, count=MEASURED_BATCHES, precision=precision)
        loss, accuracy = validate(network)
        fill_buffers_(network, buffers)
        size = sum(weight.numel() for weight in of.values())
        return name, level, size, achieved_sparsity(of), accuracy, loss if math.isfinite(loss) else None

    yield row("", weights, 0.0)
    score = partial(magnitude, seed=0, gradients=dict)
    for name, weight in weights.items():
        alone, before = {name: weight}, weight.detach().clone()
        for level in levels:
            apply_(alone, prune(weights, ones(alone), Round((name,), level, "layer", 0), score))
            yield row(layer_of(name), alone, level)
            with torch.no_grad():
                weight.copy_(before)
