"""What every training stage sets up in the same way from params: data on the device, loss, validation, and training a part."""

import math
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from prunescope import runtime
from prunescope.data import store as stores
from prunescope.data.batches import Batches
from prunescope.files import write_csv, write_json
from prunescope.networks.inputs import Inputs
from prunescope.networks.predict import validate
from prunescope.training import losses, parallel
from prunescope.training.loop import HISTORY, Log, fit
from prunescope.training.optimizers import Optimizer, make
from prunescope.training.progress import Progress
from prunescope.training.rates import SCHEDULES
from prunescope.training.resume import Resume, parts

STREAMS = {
    "pretrain": 0,
    "budget": 1,
    "distill": 2,
}  # each with batches of its own; pruning and fine-tuning share "budget"
WRITTEN = ("checkpoint", "metrics", "history")  # arguments that name what a training stage writes


class Budget(Protocol):
    """One training budget, as in params.yaml."""

    @property
    def epochs(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def schedule(self) -> str: ...


@dataclass(frozen=True)
class Setup:
    """A dataset ready for training on a device, with the settings that all its training shares."""

    store: stores.Store
    batches: Batches
    task: losses.Loss
    device: torch.device
    precision: torch.dtype
    seed: int
    settings: Any
    args: Namespace
    run_on: Any

    def validate(self, network: nn.Module) -> tuple[float, float]:
        """(loss, accuracy) of the validation split."""
        return validate(network, self.store, "val", device=self.device, precision=self.precision)

    @property
    def first(self) -> bool:
        """Whether this process writes the results: one of several that train together does."""
        return parallel.rank() == 0

    @property
    def inputs(self) -> Inputs:
        """What a network trained here takes, for its checkpoint."""
        return Inputs.of(self.store, self.args.dataset)

    def to_device(self, network: nn.Module) -> nn.Module:
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def optimizer(self, network: nn.Module) -> Optimizer:
        """A fresh optimizer of all the network's parameters."""
        chosen = self.settings
        parameters = list(network.parameters())
        return make(chosen.optimizer, parameters, momentum=chosen.momentum, weight_decay=chosen.weight_decay)

    def progress(self, network: nn.Module, update: Optimizer, log: Log, /, **determined_by: Any) -> Progress:
        """Take up what an interrupted run of this stage left, if its inputs, code and settings are the same, else begin.

        determined_by: what of the params, beside the training settings, decides the result, by the names that messages use.
        Raises PrunescopeError while another process runs the same stage on the same cell.
        """
        args = vars(self.args)
        cell = {name: value for name, value in args.items() if not isinstance(value, Path)}
        inputs = {name: path for name, path in args.items() if isinstance(path, Path) and name not in WRITTEN}
        code = {
            f"code of {name}": Path(str(module.__file__)) for name, module in sorted(sys.modules.items()) if _ours(name, module)
        }
        ran = runtime.environment(self.device, self.precision) | {"processes": parallel.count(), "compile": self.run_on.compile}
        name = f"{Path(sys.argv[0]).stem}-{self.args.checkpoint.parent.name}-{self.args.checkpoint.stem}"
        made_of = parts(inputs | code, cell | ran | {"training": self.settings} | determined_by)
        resume = Resume(name, made_of, every=self.run_on.save_seconds, first=self.first)
        return Progress(resume, network, update, log, compiled=self.run_on.compile)

    def steps(self, epochs: float) -> int:
        """Optimizer steps of so many epochs."""
        return round(epochs * self.batches.steps_per_epoch)


def open_training(args: Namespace, settings: Any, *, stream: str, run_on: Any, alone: bool = False) -> Setup:
    """Read the prepared store, put its train split on the device and choose the loss.

    args: the stage's arguments, with store and seed · settings: a recipe's `training` · run_on: params.runtime
    alone: one process, whatever params.runtime says: of what does not train
    """
    if not alone:
        parallel.launch(run_on.processes, run_on.device)
    device = parallel.join(runtime.device(run_on.device))
    runtime.prepare(run_on.threads, device)
    store = stores.read(args.store)
    batches = Batches(
        store,
        "train",
        batch_size=settings.batch_size,
        crop_padding=settings.crop_padding,
        flip=settings.flip,
        seed=args.seed * len(STREAMS) + STREAMS[stream],
        device=device,
        balanced=settings.imbalance == "balanced_sampling",
        part=parallel.rank(),
        parts=parallel.count(),
    )
    weights = losses.class_weights(batches.labels, len(store.classes)) if settings.imbalance == "class_weights" else None
    task = losses.cross_entropy(class_weights=weights, label_smoothing=settings.label_smoothing)
    precision = runtime.precision(run_on.precision, device)
    return Setup(store, batches, task, device, precision, args.seed, settings, args, run_on)


def train(
    progress: Progress,
    setup: Setup,
    budget: Budget,
    *,
    first: int = 0,
    last: int | None = None,
    segment: tuple[int, int] | None = None,
    loss: losses.Loss | None = None,
    weights: dict[str, nn.Parameter] | None = None,
    masks: Mapping[str, Tensor] | None = None,
    label: str,
    close: bool = True,
) -> None:
    """Train the steps [first, last) of `budget`, by default all of it, on the task's loss.

    segment: where the learning-rate schedule begins and ends, by default with the budget; rewinding begins it anew
    """
    total = setup.steps(budget.epochs)
    begin, end = segment or (0, total)
    schedule = SCHEDULES[budget.schedule](budget.learning_rate, end - begin)
    with progress.stopping_between_steps():
        fit(
            progress.network,
            setup.batches,
            loss or setup.task,
            first=first,
            last=total if last is None else last,
            schedule=lambda step: schedule(step - begin),
            update=progress.update,
            precision=setup.precision,
            seed=setup.seed,
            log=progress.log,
            validate=setup.validate,
            weights=weights,
            masks=masks,
            clip_norm=setup.settings.clip_norm,
            label=label,
            close=close,
            saver=progress,
            shared=progress.shared,
        )


def _ours(name: str, module: Any) -> bool:
    """Whether a module is the project's own code or the stage's script; what starts stages decides nothing about them."""
    starts = name == "prunescope.__main__" or f"{name}.".startswith("prunescope.runner.")
    return (
        (name.split(".")[0] == "prunescope" or name == "__main__")
        and not starts
        and getattr(module, "__file__", None) is not None
    )


def write_record(metrics: Path, history: Path, setup: Setup, log: Log, *, budget: Budget, **more: Any) -> None:
    """The metrics file and history of a training stage: what it spent, how it ended on the validation split, where it ran."""
    validated = [row for row in log.rows if row["split"] == "val"]
    images = log.steps * setup.batches.batch_size
    record = {
        "processes": parallel.count(),
        "steps": log.steps,
        "epochs": log.steps / setup.batches.steps_per_epoch,
        "seconds": round(log.seconds, 3),
        "images_per_second": round(images / log.seconds, 1) if log.seconds else None,
        "val_accuracy": validated[-1]["accuracy"] if validated else None,
        "val_loss": validated[-1]["loss"] if validated and math.isfinite(validated[-1]["loss"]) else None,
        "budget_steps": setup.steps(budget.epochs),
        "learning_rate_sum": log.rates,
    }
    write_json(metrics, record | more | runtime.environment(setup.device, setup.precision))
    write_csv(history, HISTORY, log.table())
