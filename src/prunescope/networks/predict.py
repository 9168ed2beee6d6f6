"""Predictions of a network on a split, and the two numbers that training looks at."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunescope.data.batches import in_order
from prunescope.data.store import Store
from prunescope.runtime import autocast


def predict(
    network: nn.Module,
    store: Store,
    split: str,
    *,
    device: torch.device,
    precision=torch.float32,
    batch_size: int = 256,
    most: int | None = None,
) -> tuple[Tensor, Tensor]:
    """(logits (N, K) float32, labels (N,)) of a whole split in the store's order, on the CPU; the network stays on `device`.

    most: at most so many images, evenly spread over the split
    """
    training, chosen = network.training, store.indices(split)
    if most is not None and most < len(chosen):
        chosen = chosen[np.arange(most) * len(chosen) // most]
    network.eval()
    logits, labels = [], []
    with torch.inference_mode(), autocast(device, precision):
        for images, truth in in_order(store, chosen, batch_size=batch_size, device=device):
            logits.append(network(images).float().cpu())
            labels.append(truth.cpu())
    network.train(training)
    return torch.cat(logits), torch.cat(labels)


def validate(network: nn.Module, store: Store, split: str, **options) -> tuple[float, float]:
    """(mean cross entropy, accuracy) of a split: what training looks at."""
    logits, labels = predict(network, store, split, **options)
    return float(F.cross_entropy(logits, labels)), float((logits.argmax(1) == labels).double().mean())
