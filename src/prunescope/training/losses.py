"""Losses: each takes (network, images, labels) and returns (mean loss of the batch, the network's logits, its parts).

The parts (2,) are what is logged beside: the loss on the labels and the soft loss (0 without a teacher), each as it is before
they are mixed.

Where several processes share a batch, a fourth argument `whole` is the labels of all of it; see parallel.mean_of.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunescope.training.parallel import mean_of

Outcome = tuple[Tensor, Tensor, Tensor]
Loss = Callable[..., Outcome]


def cross_entropy(*, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
    """Cross entropy of integer labels; class_weights: (K,) factors, mean 1 over the training images."""

    def loss(network: nn.Module, images: Tensor, labels: Tensor, whole: Tensor | None = None) -> Outcome:
        logits = network(images).float()
        value = F.cross_entropy(logits, labels, class_weights, label_smoothing=label_smoothing)
        value = mean_of(value, labels, whole, class_weights)
        return value, logits, torch.stack([value.detach(), torch.zeros_like(value)])

    return loss


def distillation(teacher: nn.Module, task: Loss, *, temperature: float, soft_weight: float) -> Loss:
    """(1 - soft_weight) * task loss + soft_weight * T^2 * KL(teacher || student), both softened by T (Hinton et al. 2015).

    The teacher sees the same augmented images as the student, in evaluation mode and without gradient.
    """
    teacher.eval().requires_grad_(False)

    def loss(network: nn.Module, images: Tensor, labels: Tensor, whole: Tensor | None = None) -> Outcome:
        with torch.no_grad():
            target = teacher(images).float()
        hard, logits, _ = task(network, images, labels, whole)
        soft = mean_of(soft_loss(logits, target, temperature), labels, whole)
        return (1 - soft_weight) * hard + soft_weight * soft, logits, torch.stack([hard.detach(), soft.detach()])

    return loss


def soft_loss(logits: Tensor, target: Tensor, temperature: float) -> Tensor:
    """T^2 * KL(softmax(target / T) || softmax(logits / T)), mean over the batch; logits, target: (N, K). 0 at equality.

    The factor T^2 keeps the gradient's size independent of T (Hinton et al. 2015, section 2).
    """
    student = F.log_softmax(logits / temperature, dim=1)
    teacher = F.log_softmax(target / temperature, dim=1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """(K,) weights N / (K * count): every class weighs the same in sum. labels: (N,) integers."""
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return len(labels) / (classes * counts.float())
