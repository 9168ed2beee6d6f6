"""Rewinding: what goes back to an earlier state after a round has chosen its weights, before the training that follows.

A new way is a function and a line in REWINDS, and its name in study/tables.py (Rewind). It returns whether the learning-rate
schedule starts again: it then runs its whole length from this round to the next (and from the last round to the end of the
budget).
"""

from torch import Tensor, nn

from prunescope.networks.architectures import fill_
from prunescope.training.optimizers import Optimizer


def none(network: nn.Module, base: dict[str, Tensor], update: Optimizer) -> bool:
    """Training goes on from the trained weights at the schedule's rate: the paper's fine-tuning."""
    return False


def weights(network: nn.Module, base: dict[str, Tensor], update: Optimizer) -> bool:
    """Everything back to the base checkpoint, with a fresh optimizer; only the mask is kept (Frankle & Carbin 2019)."""
    fill_(network, base)
    update.state.clear()
    return True


def learning_rate(network: nn.Module, base: dict[str, Tensor], update: Optimizer) -> bool:
    """The trained weights stay, the learning-rate schedule starts again (Renda et al. 2020)."""
    return True


REWINDS = {"none": none, "weights": weights, "learning_rate": learning_rate}
