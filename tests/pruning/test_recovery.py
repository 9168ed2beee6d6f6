"""What a plan's rounds do once their weights are chosen: which are measured, what is logged, which steps are trained."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from prunescope.networks.bits import Bits
from prunescope.networks.masks import ones, prunable
from prunescope.pruning import recovery
from prunescope.pruning.plans import Round
from prunescope.training.loop import Log
from prunescope.training.rewinding import REWINDS

PLAN = [Round(("0.weight",), 0.5, "layer", 4), Round(("5.weight",), 0.5, "layer", 0), Round(("7.weight",), 0.5, "layer", 0)]


@pytest.fixture
def made(make_network, make_store, make_batches, monkeypatch):
    """make(plan=PLAN, reestimate_batches=0): a Recovery whose training only counts; and the calls of its training."""
    calls: list[dict[str, Any]] = []

    def train(progress, setup, budget, *, first, last, **rest) -> None:
        calls.append({"first": first, "last": last} | rest)
        progress.log.steps = last

    monkeypatch.setattr(recovery, "train", train)

    def make(plan=PLAN, reestimate_batches=0):
        network, looks = make_network(), iter([0.9, 0.5, 0.6, 0.4, 0.7, 0.3, 0.8])
        update = SimpleNamespace(state={"moved": 1})
        progress: Any = SimpleNamespace(log=Log(), network=network, update=update, masks=None)
        setup: Any = SimpleNamespace(
            batches=make_batches(make_store()), precision=torch.float32, validate=lambda network: (1.0, next(looks))
        )
        budget: Any = None
        return recovery.Recovery(setup, progress, budget, prunable(network), plan, reestimate_batches, "a method"), calls

    return make


@pytest.mark.parametrize(
    ("rounds", "numbers"),
    [(1, [0]), (3, [0, 1, 2]), (20, list(range(20))), (40, list(range(1, 40, 2)))],
)
def test_at_most_twenty_rounds_are_measured_and_the_last_always(rounds, numbers):
    assert sorted(recovery.measured_rounds(rounds)) == numbers
    assert len(recovery.measured_rounds(169)) == recovery.CURVE_POINTS and 168 in recovery.measured_rounds(169)


def test_rounds_train_their_steps_one_after_the_other(made):
    recover, calls = made()
    masks = Bits(ones(recover.weights))
    recover.look("start")
    for number, round_ in enumerate(PLAN):
        recover(number, round_, masks)
    log = recover.progress.log
    assert [(call["first"], call["last"], call["segment"]) for call in calls] == [(0, 4, None), (4, 4, None), (4, 4, None)]
    assert calls[0]["label"] == "a method round 1/3" and calls[0]["masks"] is masks
    assert [(row["event"], row["round"], row["layers_pruned"]) for row in log.rows] == [
        ("start", 0, 0), *((event, number, number) for number in (1, 2, 3) for event in ("pruned", "reestimated")),
    ]  # fmt: skip
    assert recover.accuracies == {"start": 0.9, "pruned": 0.3, "reestimated": 0.8}, "of the last round"
    assert recover.skipped() == 1, "the last round's recovery is the finetune stage's"


def test_an_interrupted_round_is_trained_on_and_not_measured_again(made):
    recover, calls = made()
    recover.progress.log.round, recover.progress.log.steps = 1, 3
    recover(0, PLAN[0], Bits(ones(recover.weights)))
    assert (calls[0]["first"], calls[0]["last"]) == (3, 4)
    assert recover.progress.log.rows == [] and recover.progress.masks is None


def test_a_rewound_schedule_runs_from_round_to_round(made):
    recover, calls = made([Round(("0.weight",), 0.5, "layer", 4), Round(("5.weight",), 0.5, "layer", 6)])
    recover.rewind(REWINDS["learning_rate"], {})
    for number, round_ in enumerate(recover.plan):
        recover(number, round_, Bits(ones(recover.weights)))
    assert [call["segment"] for call in calls] == [(0, 4), (4, 10)]
    base = {name: tensor + 1 for name, tensor in recover.progress.network.state_dict().items()}
    recover.rewind(REWINDS["weights"], base)
    assert torch.equal(recover.progress.network.state_dict()["0.weight"], base["0.weight"])
    assert recover.progress.update.state == {}, "momentum goes with the weights"
    recover.rewind(REWINDS["none"], base)
    assert recover.progress.log.restarted is False


def test_statistics_before_and_after_are_kept(made):
    recover, _ = made(PLAN[:1], reestimate_batches=2)
    at_first = {name: buffer.clone() for name, buffer in recover.progress.network.named_buffers()}
    recover(0, PLAN[0], Bits(ones(recover.weights)))
    assert [row["event"] for row in recover.progress.log.rows] == ["pruned", "reestimated"]
    assert recover.accuracies == {"pruned": 0.9, "reestimated": 0.5}
    assert all(torch.equal(recover.before[name], at_first[name]) for name in at_first)
    assert not torch.equal(recover.after["1.running_mean"], recover.before["1.running_mean"])


def test_statistics_that_are_only_measured_leave_the_network_as_it_is(made):
    recover, calls = made(PLAN[:1])
    before = {name: tensor.clone() for name, tensor in recover.progress.network.state_dict().items()}
    recover(0, PLAN[0], Bits(ones(recover.weights)))
    assert [row["event"] for row in recover.progress.log.rows] == ["pruned", "reestimated"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in recover.progress.network.state_dict().items())
    assert not torch.equal(recover.after["1.running_mean"], before["1.running_mean"]) and len(calls) == 1
