"""Seconds of stages that were never measured, for benchmarks/simulate.py: one GPU, from the work that params.yaml asks for.

A training step takes batch size x 6 MACs an image (forward once, backward twice, two operations a MAC) at `SPEED`, and at least
`LAUNCH` a weight layer, as a GPU cannot be given small work faster. A forward pass is a third of it.
"""

import math
import shlex
from pathlib import Path

from prunescope.evaluation.costs import macs_per_weight
from prunescope.networks.architectures import build, fitted
from prunescope.networks.masks import prunable
from prunescope.pruning.plans import plan_of
from prunescope.study.params import load
from prunescope.training import rates

SPEED = 1e14  # operations a second in bf16: an eighth of what a matrix product reached on an H200 (790 TFLOP/s)
LAUNCH = 1e-4  # seconds a weight layer and step
START = 5.0  # seconds of any stage beside its work
FIXED = {"download": 120.0, "weights": 30.0, "evaluate": 60.0, "cka": 60.0, "selected": 5.0, "report": 60.0}  # seconds
IMAGES = {"cifar100": (45_000, 5_000, 100), "ham10000": (7_010, 1_002, 7)}  # of the train and val split; classes


class Guesses:
    """Of the study that a params.yaml describes."""

    def __init__(self, params: Path) -> None:
        self.params = load(params)
        self.steps: dict[tuple[str, str], float] = {}  # seconds by model and data set
        self.macs: dict[tuple[str, str], int] = {}
        self.layers: dict[str, tuple[str, ...]] = {}

    def seconds(self, command: str) -> float:
        """Of a stage, by its command."""
        _, script, *words = shlex.split(command)
        given = dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2], strict=True))
        name = Path(script).stem
        return START + (FIXED[name] if name in FIXED else self._training(name, given))

    def about(self) -> str:
        """The guesses in words."""
        lines = [
            f"{model} on {dataset}: {self.macs[model, dataset] / 1e9:.2f} GMACs an image, {seconds * 1e3:.1f} ms a step"
            for (model, dataset), seconds in self.steps.items()
        ]
        fixed = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in FIXED.items())
        rule = f"{SPEED / 1e12:.0f} TFLOP/s, at least {LAUNCH * 1e3} ms a layer, {START:.0f} s to start"
        return "\n".join([f"guesses: {rule}; {fixed}", *lines])

    def _training(self, name: str, given: dict[str, str]) -> float:
        dataset, method = given["dataset"], given.get("method", "")
        wanted = self.params.data[dataset]
        teacher = self._model(given)
        if name == "distill":
            own = self._epochs(self.params.distill.student, dataset, wanted.distill.epochs)
            return own + self._epochs(teacher, dataset, wanted.distill.epochs) / 3 * (method != "alone")
        if name == "pretrain":
            return self._epochs(teacher, dataset, wanted.pretrain.epochs)
        spent = self._spent(method, teacher, dataset, float(given.get("sparsity", 0)))
        return self._epochs(teacher, dataset, spent if name == "prune" else wanted.finetune.epochs - spent)

    def _model(self, given: dict[str, str]) -> str:
        """A teacher's name stands in its student's paths alone."""
        return given.get("model") or Path(given["checkpoint"]).parent.name.split(f"-{given['dataset']}-")[0]

    def _spent(self, method: str, model: str, dataset: str, sparsity: float) -> float:
        """Epochs of recovery inside the prune stage, by the method's plan."""
        if method not in self.params.prune:
            return 0.0
        self._step(model, dataset)
        wanted, an_epoch = self.params.data[dataset], self._batches(dataset, 0)
        budget, pause = (round(epochs * an_epoch) for epochs in (wanted.finetune.epochs, wanted.epochs_per_round))
        rounds = {"round_steps": pause, "held": rates.held(wanted.finetune.schedule, budget)}
        plan = plan_of(self.params.prune[method], self.layers[model], sparsity, budget=budget, **rounds)
        return sum(round_.recovery_steps for round_ in plan) / an_epoch

    def _epochs(self, model: str, dataset: str, epochs: float) -> float:
        """Seconds of training, each epoch with a look at the validation split."""
        return epochs * self._step(model, dataset) * (self._batches(dataset, 0) + self._batches(dataset, 1) / 3)

    def _batches(self, dataset: str, split: int) -> int:
        if dataset not in IMAGES:
            raise SystemExit(f"no guess for {dataset}, whose images are not in guesses.py; give --times of a run")
        return math.ceil(IMAGES[dataset][split] / self.params.data[dataset].training.batch_size)

    def _step(self, model: str, dataset: str) -> float:
        if (model, dataset) not in self.steps:
            wanted = self.params.data[dataset]
            network = build(fitted(model, wanted.network, IMAGES[dataset][2]))
            by_weight, between = macs_per_weight(network, wanted.prepare.image_size)
            macs, self.layers[model] = sum(by_weight.values()) + between, tuple(prunable(network))
            self.macs[model, dataset] = macs
            least = len(self.layers[model]) * LAUNCH
            self.steps[model, dataset] = max(wanted.training.batch_size * 6 * macs / SPEED, least)
        return self.steps[model, dataset]
