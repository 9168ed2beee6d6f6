"""The one training loop: pretraining, recovery between rounds, fine-tuning and distillation all run through `fit`.

A budget is counted in optimizer steps, numbered from 0 over the whole budget; a stage trains a part of it, [first, last).
Learning rate and batches are functions of the step's number, so parts join to one schedule whoever trains them.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from prunescope.data.batches import Batches
from prunescope.errors import PrunescopeError
from prunescope.runtime import autocast, seed_everything
from prunescope.training import parallel
from prunescope.training.losses import Loss
from prunescope.training.optimizers import Optimizer
from prunescope.training.rates import Schedule

HISTORY = (
    "step", "epoch", "round", "event", "split", "loss", "task_loss", "soft_loss", "accuracy", "learning_rate", "sparsity",
    "layers_pruned",
)  # fmt: skip
DIVERGED = "nothing was written. Lower the learning rate or the label noise, or use runtime.precision: fp32"
CHECK_EVERY = 32  # steps between looks at the loss: looking waits for the device


@dataclass
class Log:
    """Rows of a run's history, and where the run stands: the columns that do not come from training itself.

    restarted: whether the learning-rate schedule starts again with this round (rewinding).
    rates: sum of the learning rates of all steps, by which stages of a budget compare
    """

    rows: list[dict] = field(default_factory=list)
    round: int = 0
    sparsity: float = 0.0
    layers_pruned: int = 0
    restarted: bool = False
    steps: int = 0
    seconds: float = 0.0
    rates: float = 0.0

    def add(
        self, event: str, split: str, *, step: int, epoch: float, loss: float, accuracy: float, rate: float,
        parts: tuple[float, float | None] | None = None,
    ) -> None:  # fmt: skip
        """Add a row; parts: loss on the labels and soft loss, by default the whole loss and None."""
        task_loss, soft_loss = parts or (loss, None)
        place = {"round": self.round, "sparsity": self.sparsity, "layers_pruned": self.layers_pruned}
        row = {
            "step": step,
            "epoch": round(epoch, 4),
            "event": event,
            "split": split,
            "loss": loss,
            "task_loss": task_loss,
            "soft_loss": soft_loss,
            "accuracy": accuracy,
        }
        self.rows.append(row | {"learning_rate": rate} | place)

    def table(self) -> Iterable[list]:
        return ([row[column] for column in HISTORY] for row in self.rows)


class Saver(Protocol):
    """Keeps the state of training between steps; see progress.Progress."""

    def take_sums(self, device: torch.device) -> Tensor: ...
    def due(self, *, epoch_end: bool) -> bool: ...
    def save(self, sums: Tensor) -> None: ...


def fit(
    network: nn.Module,
    batches: Batches,
    loss: Loss,
    *,
    first: int,
    last: int,
    schedule: Schedule,
    update: Optimizer,
    precision: torch.dtype,
    seed: int,
    log: Log,
    validate: Callable[[nn.Module], tuple[float, float]],
    weights: dict[str, nn.Parameter] | None = None,
    masks: Mapping[str, Tensor] | None = None,
    clip_norm: float = 0.0,
    label: str = "train",
    close: bool = True,
    saver: Saver | None = None,
    shared: nn.Module | None = None,
) -> None:
    """Train `network` in place for the steps [first, last) of a budget and add rows at epoch ends, and at `last`, to `log`.

    batches: on the network's device · schedule: step -> learning rate · validate: network -> (loss, accuracy)
    update: the optimizer of all of the network's parameters; its state goes on from where it is
    weights, masks: prunable weights and what is kept of them; removed weights are exactly zero after every step
    clip_norm: largest norm of the gradient of all parameters together, removed weights not counted; 0 = not clipped
    close: whether `last` is logged and validated even inside an epoch. Dropout is seeded by (seed, step).
    shared: the network as it is called in training (by several processes, compiled); by default the network itself
    saver: asked after every step whether to save; a run that it resumed goes on bit for bit
    Raises PrunescopeError naming epoch, step and learning rate when the loss, or that of the validation split, is not finite.
    """
    device, per_epoch = batches.device, batches.steps_per_epoch
    # sums over images: of the loss and its two parts, of correct and of seen ones
    sums = torch.zeros(5, device=device) if saver is None else saver.take_sums(device)
    if first >= last:
        return
    held, factors = as_factors(weights or {}, masks or {})
    losses = torch.zeros(min(CHECK_EVERY, last - first), device=device)
    several, size = parallel.count() > 1, batches.batch_size / parallel.count()
    trained = network if shared is None else shared
    steps = tqdm(range(first, last), desc=label, unit="step", leave=False, disable=True if parallel.rank() else None)
    network.train()
    started = time.perf_counter()
    for number in steps:
        seed_everything(seed, number, *([parallel.rank()] if several else []))
        images, labels = batches.at(number)
        with autocast(device, precision):
            value, logits, parts = loss(trained, images, labels, *([batches.labels_at(number)] if several else []))
        value.backward()
        if clip_norm:
            _clip_(update.parameters, held, factors, clip_norm)
        update.step_(rate := schedule(number))
        if factors:
            torch._foreach_mul_(held, factors)  # pyright: ignore[reportPrivateImportUsage]
        slot = (number - first) % len(losses)
        losses[slot] = value.detach()
        sums[0] += value.detach() * size
        sums[1:3] += parts * size
        sums[3] += (logits.argmax(1) == labels).sum()
        sums[4] += size
        log.steps, log.rates = log.steps + 1, log.rates + rate
        ends, ends_epoch = number + 1 == last, (number + 1) % per_epoch == 0
        look = slot == len(losses) - 1 or ends or ends_epoch
        save = saver is not None and (look or not several) and parallel.agreed(saver.due(epoch_end=ends_epoch), device)
        if look or save:
            _require_finite(losses[: slot + 1], number, per_epoch, schedule)
        if ends_epoch or (ends and close):
            log.seconds += time.perf_counter() - started  # validation is not counted
            at = {"step": number + 1, "epoch": (number + 1) / per_epoch, "rate": schedule(number)}
            total, task, soft, correct, seen = parallel.summed_(sums).tolist()
            split = (task / seen, soft / seen if soft else None)
            log.add("trained", "train", loss=total / seen, accuracy=correct / seen, parts=split, **at)
            _validation(network, validate, log, label, at)
            sums.zero_()
            network.train()
            started = time.perf_counter()
        if saver is not None and save:
            log.seconds += time.perf_counter() - started
            if several:
                parallel.summed_(sums).div_(parallel.count())  # each process's even share, whoever reads it
            saver.save(sums)
            started = time.perf_counter()
    log.seconds += time.perf_counter() - started


def as_factors(weights: Mapping[str, nn.Parameter], masks: Mapping[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and 0/1 float masks of the same memory layout, for one `torch._foreach_mul_` after each optimizer step.

    Float because multiplying by bool masks costs 6 to 11 times as much on a CPU.
    """
    held = [weights[name].data for name in masks]
    return held, [torch.empty_like(weight).copy_(masks[name]) for name, weight in zip(masks, held, strict=True)]


def measure(network: nn.Module, validate: Callable, log: Log, event: str, *, step: int, per_epoch: int) -> float:
    """Add a validation row to `log` without training, for instance right after pruning; returns the accuracy."""
    loss, accuracy = validate(network)
    log.add(event, "val", step=step, epoch=step / per_epoch, loss=loss, accuracy=accuracy, rate=0.0)
    return accuracy


def _clip_(parameters: list[nn.Parameter], held: list[Tensor], factors: list[Tensor], clip_norm: float) -> None:
    """Scale the gradients down to `clip_norm`; those of removed weights would count in the norm, so they are zeroed first."""
    if factors:
        of_held = {weight.data_ptr(): factor for weight, factor in zip(held, factors, strict=True)}
        pairs = [(p.grad, of_held[p.data_ptr()]) for p in parameters if p.grad is not None and p.data_ptr() in of_held]
        torch._foreach_mul_([g for g, _ in pairs], [f for _, f in pairs])  # pyright: ignore[reportPrivateImportUsage]
    torch.nn.utils.clip_grad_norm_(parameters, clip_norm)


def _validation(network: nn.Module, validate: Callable, log: Log, label: str, at: dict) -> None:
    row = log.rows[-1]
    loss, accuracy = validate(network)
    if not math.isfinite(loss):  # the last update can break a network whose training losses are all finite
        raise PrunescopeError(
            f"the validation loss is {loss} after step {at['step']} (epoch {at['epoch']:.2f}), learning rate {at['rate']:g}; "
            f"{DIVERGED}"
        )
    log.add("trained", "val", loss=loss, accuracy=accuracy, **at)
    if parallel.rank():
        return
    tqdm.write(
        f"{label}: epoch {at['epoch']:.2f} step {at['step']} loss {row['loss']:.4f} accuracy {100 * row['accuracy']:.1f} % "
        f"val_loss {loss:.4f} val_accuracy {100 * accuracy:.1f} % learning_rate {at['rate']:.5f}"
    )


def _require_finite(losses: Tensor, number: int, per_epoch: int, schedule: Schedule) -> None:
    """Stop at the first loss of the last steps that is NaN or infinite."""
    bad = (~torch.isfinite(losses)).nonzero()
    if len(bad):
        at = number - len(losses) + 1 + int(bad[0])
        raise PrunescopeError(
            f"the loss is {float(losses[int(bad[0])])} at epoch {at / per_epoch:.2f}, step {at}, learning rate "
            f"{schedule(at):g}; {DIVERGED}"
        )
