"""The training loop: a golden step, parts that join, masks that hold, and what it records and refuses."""

import copy
import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top
from prunescope.training import loop as training
from prunescope.training.loop import HISTORY, Log, fit, measure
from prunescope.training.losses import Outcome, cross_entropy, distillation
from prunescope.training.optimizers import OPTIMIZERS, Optimizer, make
from prunescope.training.rates import SCHEDULES

# From a script outside this package: torch's float64 autograd of the same small network, the normalisation and Nesterov's
# update (as torch defines it) written out. The loss of two steps, and first and last weights after both.
GOLDEN = {
    "loss of step 0": 1.1587391670876,
    "loss of step 1": 1.1009594588918,
    "0.weight": (0.0387823, -0.1891795),
    "0.bias": (0.0912026, 0.3655676),
    "4.weight": (0.160086, 0.4733169),
    "4.bias": (0.2173355, 0.5031542),
    "sum of absolute weights": 51.8846960680,
}
MEANING = (
    "{0} changed: found {1}, golden {2}. Every training result changes with it. Only a changed definition (normalisation, "
    "loss, update rule, order of its terms) is a reason to write a new golden value; a faster way to the same numbers is not."
)


def wave(parameter: Tensor, phase: float) -> Tensor:
    return (0.5 * torch.sin(torch.arange(parameter.numel(), dtype=torch.float64) * 0.7 + phase)).view(parameter.shape)


def options(network: nn.Module, optimizer: str = "sgd", **changes: Any) -> dict[str, Any]:
    update = make(optimizer, list(network.parameters()), momentum=0.9, weight_decay=0.05)
    return {
        "schedule": SCHEDULES["cosine"](0.1, 12),
        "update": update,
        "precision": torch.float32,
        "seed": 0,
        "log": Log(),
        "validate": lambda network: (0.5, 0.25),
    } | changes


def mask_of(network: nn.Module, keep: int = 60) -> tuple[dict[str, nn.Parameter], dict[str, Tensor]]:
    weights = prunable(network)
    masks = keep_top({name: weight.detach() for name, weight in weights.items()}, ones(weights), keep)
    apply_(weights, masks)
    return weights, masks


def same(a: nn.Module, b: nn.Module) -> bool:
    states = a.state_dict(), b.state_dict()
    return all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def spy(before: Callable[[int, nn.Module], None]) -> Any:
    """Cross entropy that first calls before(number of the call, network)."""
    calls = 0

    def loss(network: nn.Module, images: Tensor, labels: Tensor) -> Outcome:
        nonlocal calls
        before(calls, network)
        calls += 1
        return cross_entropy()(network, images, labels)

    return loss


def test_two_gradient_steps_are_golden(make_store, make_batches) -> None:
    pixels = (np.arange(6 * 8 * 8 * 3) * 37 % 251).astype(np.uint8).reshape(6, 8, 8, 3)
    store = dataclasses.replace(make_store(6, 0, 0), images=pixels)
    batches = make_batches(store, batch_size=6, crop_padding=0, flip="none")  # all images: their order is no matter
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    for number, parameter in enumerate(network.parameters(), start=1):
        parameter.data = wave(parameter, number / 10).float()
    update = make("nesterov", list(network.parameters()), momentum=0.9, weight_decay=0.01)
    chosen = options(network, update=update, schedule=SCHEDULES["constant"](0.1, 2))
    fit(network, batches, cross_entropy(), first=0, last=2, **chosen)
    losses = [row["loss"] for row in chosen["log"].rows if row["split"] == "train"]
    found: dict[str, Any] = {f"loss of step {number}": loss for number, loss in enumerate(losses)}
    found |= {name: tuple(p.detach().reshape(-1)[[0, -1]].tolist()) for name, p in network.named_parameters()}
    found["sum of absolute weights"] = sum(float(p.detach().abs().sum()) for p in network.parameters())
    assert list(found) == list(GOLDEN)
    for name, value in GOLDEN.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-6), MEANING.format(name, found[name], value)


@pytest.mark.parametrize("cut", [1, 4, 5, 11])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_parts_join_to_the_whole_bit_for_bit(make_store, make_network, make_batches, optimizer, cut) -> None:
    store, whole, parts = make_store(), make_network(), make_network()
    ends = []
    for network, stops in ((whole, [0, 12]), (parts, [0, cut, 12])):
        weights, masks = mask_of(network)
        chosen = options(network, optimizer, weights=weights, masks=masks)
        for first, last in itertools.pairwise(stops):
            fit(network, make_batches(store), cross_entropy(), first=first, last=last, close=last == 12, **chosen)
        assert chosen["log"].steps == 12
        ends.append(chosen)
    assert same(whole, parts)
    for name, tensors in ends[0]["update"].state.items():
        assert all(torch.equal(a, b) for a, b in zip(tensors, ends[1]["update"].state[name], strict=True))
    trace = [[(r["step"], r["epoch"], r["split"], r["learning_rate"]) for r in end["log"].rows] for end in ends]
    assert trace[0] == trace[1]
    assert [row[:2] for row in trace[0][::2]] == [(4, 1.0), (8, 2.0), (12, 3.0)]


class Rates:
    """An optimizer that only writes down the learning rates it is given."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def step_(self, learning_rate: float) -> None:
        self.seen.append(learning_rate)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_the_learning_rate_is_a_function_of_the_step_and_recorded(make_store, make_network, make_batches, name) -> None:
    schedule, log, rates = SCHEDULES[name](0.1, 12), Log(), Rates()
    network, batches = make_network(), make_batches(make_store())
    for first, last in ((0, 3), (3, 3), (3, 12)):
        fit(
            network,
            batches,
            cross_entropy(),
            first=first,
            last=last,
            **options(network, update=rates, schedule=schedule, log=log),
        )
    assert rates.seen == [schedule(step) for step in range(12)]
    assert [(row["step"], row["learning_rate"]) for row in log.rows if row["split"] == "train"] == [
        (3, schedule(2)), (4, schedule(3)), (8, schedule(7)), (12, schedule(11)),
    ]  # fmt: skip
    wanted = {
        "constant": {0: 0.1, 39: 0.1},
        "cosine": {0: 0.05, 1: 0.1 * (1 + math.cos(math.pi / 40)) / 2, 20: 0.05, 40: 0.0},
        "hold": {0: 0.1, 27: 0.1, 28: 0.1, 31: 0.075, 34: 0.05, 39: 0.1 / 12, 40: 0.0},
        "step": {0: 0.1, 19: 0.1, 20: 0.01, 29: 0.01, 30: 0.001, 39: 0.001},
    }[name]
    assert {step: SCHEDULES[name](0.1, 40)(step) for step in wanted} == pytest.approx(wanted)


@pytest.mark.parametrize("bad, last", [(0, 12), (3, 4), (11, 12), (31, 80), (32, 80), (70, 80)])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_its_place(make_store, make_network, make_batches, bad, last, value) -> None:
    network = make_network()
    network[7].register_forward_hook(lambda module, inputs, output: output * (value if bad == calls["n"] else 1))
    calls = {"n": -1}

    def count(number: int, network: nn.Module) -> None:
        calls["n"] = number

    chosen = options(network, schedule=lambda step: 0.001 * (step + 1))
    with pytest.raises(PrunescopeError) as error:
        fit(network, make_batches(make_store()), spy(count), first=0, last=last, **chosen)
    message = str(error.value)
    assert f"at epoch {bad / 4:.2f}, step {bad}, learning rate {0.001 * (bad + 1):g};" in message
    assert calls["n"] < min(bad + training.CHECK_EVERY, last)


def test_history_rows_hold_means_over_the_epochs_images(make_store, make_network, make_batches) -> None:
    network, batches = make_network(), make_batches(make_store(train=11), batch_size=4)
    assert batches.steps_per_epoch == 2
    log, values = Log(round=3, sparsity=0.5, layers_pruned=2), []

    def watch(network: nn.Module, images: Tensor, labels: Tensor) -> Outcome:
        value, logits, parts = cross_entropy()(network, images, labels)
        values.append((value.item(), float((logits.argmax(1) == labels).float().mean())))
        return value, logits, parts

    fit(network, batches, watch, first=0, last=3, **options(network, log=log))
    rows = [dict(zip(HISTORY, row, strict=True)) for row in log.table()]
    assert [(r["step"], r["epoch"], r["split"]) for r in rows] == [
        (2, 1.0, "train"), (2, 1.0, "val"), (3, 1.5, "train"), (3, 1.5, "val"),
    ]  # fmt: skip
    place = {"round": 3, "sparsity": 0.5, "layers_pruned": 2, "event": "trained"}
    assert all(row | place == row for row in rows)
    assert (rows[0]["loss"], rows[0]["accuracy"]) == pytest.approx(tuple(np.mean(values[:2], axis=0)))
    assert (rows[2]["loss"], rows[2]["accuracy"]) == pytest.approx(values[2])
    assert (rows[1]["loss"], rows[1]["accuracy"]) == (0.5, 0.25)
    assert all(row["task_loss"] == row["loss"] and row["soft_loss"] is None for row in rows)
    assert log.steps == 3 and log.seconds > 0
    assert measure(network, lambda network: (0.7, 0.6), log, "pruned", step=3, per_epoch=2) == 0.6
    assert dict(zip(HISTORY, list(log.table())[-1], strict=True)) == place | {
        "event": "pruned", "step": 3, "epoch": 1.5, "split": "val", "loss": 0.7, "task_loss": 0.7, "soft_loss": None,
        "accuracy": 0.6, "learning_rate": 0.0,
    }  # fmt: skip


def test_distillation_logs_its_two_losses_apart(make_store, make_network, make_batches) -> None:
    student, teacher, batches = make_network(), make_network(), make_batches(make_store(train=11), batch_size=4)
    with torch.no_grad():
        teacher.get_parameter("0.weight").mul_(-3)
    plain, parts = distillation(teacher, cross_entropy(), temperature=4.0, soft_weight=0.9), []

    def watch(*args) -> Outcome:
        value = plain(*args)
        parts.append(value[2].tolist())
        return value

    log = Log()
    fit(student, batches, watch, first=0, last=2, **options(student, log=log))
    trained, validated = log.rows
    assert (trained["task_loss"], trained["soft_loss"]) == pytest.approx(tuple(np.mean(parts, axis=0)))
    assert trained["loss"] == pytest.approx(0.1 * trained["task_loss"] + 0.9 * trained["soft_loss"]) and trained["soft_loss"] > 0
    assert validated["task_loss"] == validated["loss"] and validated["soft_loss"] is None


def test_training_mode_and_dropout_seeds(make_store, make_batches) -> None:
    """Batch norm and dropout train after a validation has switched them off; dropout draws by (seed, first step)."""
    batches, results = make_batches(make_store()), {}
    start = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Dropout(), nn.Linear(8, 3))
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        network, modes = copy.deepcopy(start), []
        chosen = options(network, seed=seed, validate=lambda network: (float(network.eval().training), 0.0))
        torch.manual_seed(noise)
        fit(network, batches, spy(lambda n, net, modes=modes: modes.append(net.training)), first=0, last=8, **chosen)
        assert modes == [True] * 8
        results[seed, noise] = network
    assert same(results[0, 1], results[0, 2])
    assert not same(results[0, 1], results[1, 1])


def test_an_empty_part_does_nothing(make_store, make_network, make_batches) -> None:
    network = make_network()
    chosen = options(network)
    fit(network, make_batches(make_store()), cross_entropy(), first=5, last=5, **chosen)
    assert same(network, make_network()) and chosen["log"].rows == [] and chosen["update"].state == {}
    assert isinstance(chosen["update"], Optimizer)
