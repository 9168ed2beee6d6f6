"""CKA on whole VGG16 and DenseNet169 against float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunescope.networks.architectures import Architecture, build
from prunescope.similarity.cka import cka_maps
from prunescope.similarity.features import capture, evaluating, layer_names


def photographs(*sizes: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = [torch.randn(n, 3, 8, 8, generator=generator) for n in sizes]
    return [F.interpolate(batch, size=(32, 32), mode="bicubic") for batch in coarse]


def settled(name: str, seed: int) -> nn.Module:
    """Random weights with batch-norm statistics of the images."""
    torch.manual_seed(seed)
    network = build(Architecture(name, 10, width=0.5)).train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the mean of all batches
        for batch in photographs(32, 32):
            network(batch)
    return network.eval()


def in_double(networks: dict[str, nn.Module], batches: list[Tensor]) -> np.ndarray:
    """All maps by the definition, everything after the features in float64: no centring trick, one product per pair of layers."""
    total: np.ndarray | None = None
    with torch.inference_mode(), evaluating(networks.values()):
        for batch in batches:
            n = len(batch)
            grams = []
            for network in networks.values():
                with capture(network, layer_names(network)) as found:
                    network(batch)
                rows = [output.double().flatten(1) for output in found.values()]
                grams += [features @ features.T for features in rows]
            kernels = torch.stack(grams)
            kernels.diagonal(dim1=1, dim2=2).zero_()
            rows_of, totals = kernels.sum(2), kernels.sum((1, 2))
            products = torch.einsum("aij,bij->ab", kernels, kernels) + torch.outer(totals, totals) / ((n - 1) * (n - 2))
            products -= 2 / (n - 2) * rows_of @ rows_of.T  # Song et al. 2012, equation 5, for all pairs
            part = (products * (n - 1) / (n - 3) / 2).numpy()
            total = part if total is None else total + part
    assert total is not None
    own = np.diagonal(total)
    return total / np.sqrt(np.outer(own, own))


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn", "densenet169"])
def test_whole_networks_match_float64(name: str) -> None:
    networks = {f"{seed}": settled(name, seed) for seed in range(2)}
    batches = photographs(24, 24, 9)
    found = cka_maps(networks, batches)
    assert len(found.layers["0"]) == (169 if name == "densenet169" else 16)
    np.testing.assert_allclose(found.values, in_double(networks, batches), rtol=0, atol=1e-6)
