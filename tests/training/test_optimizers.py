"""The functional updates against torch's optimizer classes, bit for bit."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from prunescope.training import optimizers
from prunescope.training.optimizers import OPTIMIZERS, Optimizer, make, restore_, tensors

SHAPES = [(5, 3, 3, 3), (7,), (11, 5), ()]
RATES = [0.1, 0.1, 0.03, 0.2, 0.001, 0.05]  # another one at each step, as a schedule gives
CLASSES: dict[str, Callable] = {
    "sgd": lambda p, m, d, f: torch.optim.SGD(p, lr=9.0, momentum=m, weight_decay=d, fused=f),
    "nesterov": lambda p, m, d, f: torch.optim.SGD(p, lr=9.0, momentum=m, weight_decay=d, nesterov=True, fused=f),
    "adamw": lambda p, m, d, f: torch.optim.AdamW(p, lr=9.0, betas=(m, 0.999), weight_decay=d, fused=f),
}


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def gradients(step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def ours(optimizer: Optimizer, steps: range) -> None:
    for step in steps:
        for parameter, gradient in zip(optimizer.parameters, gradients(step), strict=True):
            parameter.grad = gradient
        optimizer.step_(RATES[step])


def test_every_optimizer_is_compared_here() -> None:
    assert list(CLASSES) == list(OPTIMIZERS)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("momentum", [0.9, 0.5])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_steps_equal_torchs_classes_bit_for_bit(name, momentum, decay, fused, monkeypatch) -> None:
    monkeypatch.setattr(optimizers, "FUSED", ("cpu",) if fused else ())
    optimizer = make(name, parameters(), momentum=momentum, weight_decay=decay)
    wanted = parameters()
    reference = CLASSES[name](wanted, momentum, decay, fused)
    for step, rate in enumerate(RATES):
        ours(optimizer, range(step, step + 1))
        for parameter, gradient in zip(wanted, gradients(step), strict=True):
            parameter.grad = gradient
        reference.param_groups[0]["lr"] = rate
        reference.step()
        for number, (found, expected) in enumerate(zip(optimizer.parameters, wanted, strict=True)):
            assert torch.equal(found, expected), (name, step, SHAPES[number], float((found - expected).abs().max()))


def test_sgd_without_momentum_equals_torchs_and_keeps_no_state() -> None:
    optimizer, wanted = make("sgd", parameters(), momentum=0.0, weight_decay=0.01), parameters()
    reference = torch.optim.SGD(wanted, lr=RATES[0], weight_decay=0.01, fused=True)
    ours(optimizer, range(2))
    for step in range(2):
        for parameter, gradient in zip(wanted, gradients(step), strict=True):
            parameter.grad = gradient
        reference.step()
    assert optimizer.state == {}
    assert all(torch.equal(a, b) for a, b in zip(optimizer.parameters, wanted, strict=True))


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_gradient_in_another_memory_layout_moves_the_same_weights(name) -> None:
    """Fused updates do not look at strides."""
    moved = []
    for layout in (torch.channels_last, torch.contiguous_format):
        weight = nn.Parameter(parameters()[0].detach().to(memory_format=torch.channels_last))
        optimizer = make(name, [weight], momentum=0.9, weight_decay=0.05)
        for step, rate in enumerate(RATES):
            weight.grad = gradients(step)[0].to(memory_format=layout)
            optimizer.step_(rate)
        moved.append(weight.detach())
    assert torch.equal(*moved)


def test_two_nesterov_steps_by_hand() -> None:
    """Weight 1, gradient 1 and then 2, rate 0.1, momentum 0.5: the buffer is 1, then 2.5; steps of 1.5 and 3.25 rates."""
    parameter = nn.Parameter(torch.tensor([1.0]))
    optimizer = make("nesterov", [parameter], momentum=0.5, weight_decay=0.0)
    parameter.grad = torch.tensor([1.0])
    optimizer.step_(0.1)
    assert parameter.item() == pytest.approx(0.85)
    parameter.grad = torch.tensor([2.0])
    optimizer.step_(0.1)
    assert parameter.item() == pytest.approx(0.525)


def test_adamws_first_step_by_hand() -> None:
    """The first step is the rate times the gradient's sign, after decay by rate * weight_decay."""
    parameter = nn.Parameter(torch.tensor([2.0, -3.0]))
    parameter.grad = torch.tensor([1e-3, -50.0])
    make("adamw", [parameter], momentum=0.9, weight_decay=0.5).step_(0.1)
    assert parameter.tolist() == pytest.approx([2.0 * 0.95 - 0.1, -3.0 * 0.95 + 0.1], rel=1e-4)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_state_is_plain_tensors_that_can_be_taken_up_again(name) -> None:
    whole = make(name, parameters(), momentum=0.9, weight_decay=0.05)
    ours(whole, range(len(RATES)))
    first = make(name, parameters(), momentum=0.9, weight_decay=0.05)
    ours(first, range(3))
    assert all(isinstance(tensor, Tensor) for tensors in first.state.values() for tensor in tensors)
    second = make(name, [nn.Parameter(p.detach().clone()) for p in first.parameters], momentum=0.9, weight_decay=0.05)
    second.state = copy.deepcopy(first.state)
    ours(second, range(3, len(RATES)))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters, second.parameters, strict=True))
    fresh = make(name, second.parameters, momentum=0.9, weight_decay=0.05)
    assert fresh.state == {}, "optimizers share state"


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_gradients_are_cleared_and_a_missing_one_counts_as_zero(name) -> None:
    used, unused = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    optimizer = make(name, [used, unused], momentum=0.9, weight_decay=0.0)
    for _ in range(3):
        used.grad = torch.tensor([1.0, 1.0])
        optimizer.step_(0.1)
        assert used.grad is None and unused.grad is None
    assert (used < torch.tensor([1.0, -2.0])).all()
    assert unused.tolist() == [1.0, -2.0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_from_saved_state_bit_for_bit(name) -> None:
    """A checkpoint between two stages carries the state: split or not, the same weights."""

    def run(split: bool) -> list[torch.Tensor]:
        torch.manual_seed(1)
        parameters = [nn.Parameter(torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last)), nn.Parameter(torch.randn(4))]
        update = make(name, parameters, momentum=0.9, weight_decay=0.01)
        for number in range(4):
            if split and number == 2:
                saved = {key: tensor.clone() for key, tensor in tensors(update).items()}
                update = make(name, parameters, momentum=0.9, weight_decay=0.01)
                restore_(update, saved)
            for parameter in parameters:
                parameter.grad = torch.randn(parameter.shape)
            update.step_(0.1)
        return [parameter.detach() for parameter in parameters]

    assert all(torch.equal(a, b) for a, b in zip(run(split=False), run(split=True), strict=True))
