"""Losses against numbers worked out by hand, and Hinton's loss by its properties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prunescope.training.losses import class_weights, cross_entropy, distillation, soft_loss

LOG3 = math.log(3)


class Table(nn.Module):
    """Answers with fixed logits, whatever the images; records how it was called."""

    def __init__(self, logits: list[list[float]]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.calls: list[tuple[Tensor, bool, bool]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.calls.append((images, self.training, torch.is_grad_enabled()))
        return self.logits * 1


IMAGES = torch.zeros(2, 3, 4, 4)
LABELS = torch.tensor([0, 1])


def logits_of(seed: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_cross_entropy_by_hand() -> None:
    """Logits (ln 3, 0) are probabilities (3/4, 1/4)."""
    network = Table([[LOG3, 0.0], [LOG3, 0.0]])
    value, logits, parts = cross_entropy()(network, IMAGES, LABELS)
    assert parts.tolist() == [value.item(), 0] and not parts.requires_grad
    assert value.item() == pytest.approx((-math.log(0.75) - math.log(0.25)) / 2)
    assert torch.equal(logits, network.logits)
    weighted, *_ = cross_entropy(class_weights=torch.tensor([0.5, 2.0]))(network, IMAGES, LABELS)
    assert weighted.item() == pytest.approx((-0.5 * math.log(0.75) - 2 * math.log(0.25)) / 2.5)
    smoothed, *_ = cross_entropy(label_smoothing=0.2)(network, IMAGES[:1], LABELS)
    assert smoothed.item() == pytest.approx((-math.log(0.75) - math.log(0.25)) / 2)  # one label of each class: no change
    alone, *_ = cross_entropy(label_smoothing=0.2)(Table([[LOG3, 0.0]]), IMAGES[:1], LABELS[:1])
    assert alone.item() == pytest.approx(-0.9 * math.log(0.75) - 0.1 * math.log(0.25))


def test_class_weights_make_every_class_weigh_the_same() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    weights = class_weights(labels, 2)
    assert weights.tolist() == pytest.approx([4 / 6, 4 / 2])
    assert float(weights[labels].mean()) == pytest.approx(1)
    assert class_weights(torch.tensor([1, 1]), 3).isfinite().all()
    assert class_weights(torch.tensor([0, 1, 2, 0, 1, 2]), 3).tolist() == pytest.approx([1, 1, 1])


def test_the_soft_loss_by_hand() -> None:
    """Teacher (3/4, 1/4), student (1/2, 1/2): KL = 3/4 ln 3/2 + 1/4 ln 1/2; with T = 2 the teacher is softened first."""
    student, teacher = torch.zeros(1, 2), torch.tensor([[LOG3, 0.0]])
    assert soft_loss(student, teacher, 1).item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    p = math.sqrt(3) / (1 + math.sqrt(3))
    divergence = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    assert soft_loss(student, teacher, 2).item() == pytest.approx(4 * divergence)
    assert soft_loss(student.repeat(6, 1), teacher.repeat(6, 1), 2).item() == pytest.approx(4 * divergence)  # a mean


@settings(max_examples=50)
@given(st.integers(0, 999), st.integers(1000, 1999), st.floats(0.5, 50), st.floats(-5, 5))
def test_the_soft_loss_is_0_at_equality_and_above_0_elsewhere(seed, other, temperature, shift) -> None:
    teacher = logits_of(seed)
    assert float(soft_loss(teacher + shift, teacher, temperature)) == pytest.approx(0, abs=1e-9)
    assert float(soft_loss(logits_of(other), teacher, temperature)) > 1e-6


@settings(max_examples=50)
@given(st.integers(0, 999), st.floats(0.5, 50))
def test_the_soft_losss_gradient_is_t_times_the_difference_of_probabilities(seed, temperature) -> None:
    """Hinton et al. 2015, equation 2, times T^2; N is the batch."""
    student, teacher = logits_of(seed).requires_grad_(), logits_of(seed + 1)
    soft_loss(student, teacher, temperature).backward()
    difference = (student / temperature).softmax(1) - (teacher / temperature).softmax(1)
    torch.testing.assert_close(student.grad, temperature * difference.detach() / len(student))


def test_the_gradients_size_does_not_fade_with_the_temperature() -> None:
    """Equation 4: in the limit of large T the gradient is (student - teacher) / (N K) of centred logits, whatever T is."""
    teacher = logits_of(1, 0.1)
    student = logits_of(2, 0.1)
    limit = ((student - student.mean(1, True)) - (teacher - teacher.mean(1, True))) / student.numel()
    for temperature in (20.0, 40.0, 80.0):
        leaf = student.clone().requires_grad_()
        soft_loss(leaf, teacher, temperature).backward()
        torch.testing.assert_close(leaf.grad, limit, rtol=0.02, atol=1e-5)


@pytest.mark.parametrize("soft_weight", [0.0, 0.3, 1.0])
def test_distillation_mixes_the_task_and_the_soft_loss(soft_weight) -> None:
    student, teacher = Table([[0.5, -1.0], [2.0, 0.0]]), Table([[1.0, 0.0], [0.0, 3.0]])
    task = cross_entropy()
    value, logits, parts = distillation(teacher, task, temperature=4, soft_weight=soft_weight)(student, IMAGES, LABELS)
    hard = task(student, IMAGES, LABELS)[0].item()
    soft = soft_loss(student.logits, teacher.logits, 4).item()
    assert abs(hard - soft) > 0.1
    assert parts.tolist() == pytest.approx([hard, soft]) and not parts.requires_grad
    assert value.item() == pytest.approx((1 - soft_weight) * hard + soft_weight * soft)
    assert torch.equal(logits, student.logits)


def test_the_teacher_is_evaluated_on_the_students_images_without_gradient() -> None:
    student, teacher = Table([[0.5, -1.0], [2.0, 0.0]]), Table([[1.0, 0.0], [0.0, 3.0]])
    teacher.train()
    value, *_ = distillation(teacher, cross_entropy(), temperature=4, soft_weight=0.9)(student, IMAGES, LABELS)
    value.backward()
    assert teacher.logits.grad is None and student.logits.grad is not None
    assert [(training, grad) for _, training, grad in teacher.calls] == [(False, False)]
    assert teacher.calls[0][0] is IMAGES
    assert student.calls[0][1:] == (True, True)
