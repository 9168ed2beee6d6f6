"""Recovery: what a plan's rounds do once their weights are chosen, from the measurement to the training with masks held."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from prunescope.networks.bits import Bits
from prunescope.networks.masks import achieved_sparsity, collapsed
from prunescope.pruning.calibration import fill_buffers_, reestimate_
from prunescope.pruning.plans import Round
from prunescope.training.loop import measure
from prunescope.training.losses import Loss
from prunescope.training.optimizers import Optimizer
from prunescope.training.progress import Progress
from prunescope.training.setup import Budget, Setup, train

MEASURED_BATCHES = 8  # training batches of the re-estimated statistics that are measured alone
CURVE_POINTS = 20  # rounds that are measured on the validation split, evenly spread; a plan of 169 rounds has too many


@dataclass
class Recovery:
    """One prune stage's recovery, called by `run` after each round's pruning; what it saw stays in its fields.

    budget: the whole budget after the base checkpoint, of which the plan's `recovery_steps` are a part
    reestimate_batches: batches for new batch-norm statistics to train on from after each pruning; 0 = the base's stay
    loss: what training lowers, by default the task's
    accuracies: of the validation split (fractions) by event: start, pruned, reestimated; the last of each
    before, after: batch-norm buffers around the last re-estimation, by their names in the state dict; empty without batch norm

    Both states are measured after a pruning, with the statistics that stand in the network and with new ones: most of what
    pruning seems to cost at once is statistics of the unpruned network. Training is not touched by the measurement.
    """

    setup: Setup
    progress: Progress
    budget: Budget
    weights: dict[str, nn.Parameter]
    plan: Sequence[Round]
    reestimate_batches: int
    label: str
    loss: Loss | None = None
    accuracies: dict[str, float] = field(default_factory=dict)
    before: dict[str, Tensor] = field(default_factory=dict)
    after: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, number: int, round_: Round, masks: Bits) -> None:
        """Measure the pruned network, then train the round's `recovery_steps` with the masks held."""
        log, done = self.progress.log, self.plan[: number + 1]
        measured = number in measured_rounds(len(self.plan))
        if number + 1 > log.round:  # else an interrupted run came as far as this round's training
            self.progress.masks = masks
            log.round = number + 1
            log.sparsity = achieved_sparsity(self.weights)
            log.layers_pruned = len({layer for round_ in done for layer in round_.layers})
            if measured:
                self.look("pruned")
            if measured or self.reestimate_batches:
                self._reestimate()
            if measured:
                self.look("reestimated")
            if not self.reestimate_batches:
                fill_buffers_(self.progress.network, self.before)
        end = sum(round_.recovery_steps for round_ in done)
        segment = (end - round_.recovery_steps, end) if log.restarted else None
        label = f"{self.label} round {number + 1}/{len(self.plan)}"
        held = {"weights": self.weights, "masks": masks}
        place = {"first": log.steps, "last": end, "segment": segment, "close": measured}
        train(self.progress, self.setup, self.budget, **place, **held, loss=self.loss, label=label)

    def look(self, event: str) -> None:
        """Measure the network as it is on the validation split."""
        log, per_epoch = self.progress.log, self.setup.batches.steps_per_epoch
        network = self.progress.network
        self.accuracies[event] = measure(network, self.setup.validate, log, event, step=log.steps, per_epoch=per_epoch)

    def rewind(self, way: Callable[[nn.Module, dict, Optimizer], bool], base: Mapping[str, Tensor]) -> None:
        """Set back what `way`, one of rewinding.REWINDS, sets back to the base's state dict."""
        self.progress.log.restarted = way(self.progress.network, dict(base), self.progress.update)

    def skipped(self) -> int:
        """Pauses between rounds for which the budget has no step."""
        return sum(round_.recovery_steps == 0 for round_ in self.plan[:-1])

    def warnings(self, masks: Bits, *, asked: int) -> Iterator[str]:
        """What whoever reads the log should know. asked: steps between the rounds of an iterative plan."""
        for layer in collapsed(masks):
            yield f"{self.label}: no weight is left in layer {layer}"
        pauses = self.plan[:-1]
        if skipped := self.skipped():
            yield f"{self.label}: the budget leaves {skipped} of {len(pauses)} pauses between rounds without a step"
        if (spent := sum(of.recovery_steps for of in pauses)) < len(pauses) * asked:
            yield (
                f"{self.label}: {len(pauses)} pauses of {asked} steps would go on while the learning rate falls, so they have "
                f"{spent} steps together: its whole descent comes after the last pruning"
            )

    def _reestimate(self) -> None:
        network, setup = self.progress.network, self.setup
        count = self.reestimate_batches or MEASURED_BATCHES
        self.before = {name: buffer.clone() for name, buffer in network.named_buffers()}
        self.after = reestimate_(network, setup.batches, count=count, precision=setup.precision)


def measured_rounds(rounds: int) -> set[int]:
    """Numbers of at most CURVE_POINTS rounds, evenly spread, the last among them."""
    return {rounds - 1 - n * rounds // CURVE_POINTS for n in range(CURVE_POINTS)}
