"""What the tests of CKA share: small networks with images for them, and CKA's formulas written out independently."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Matrix = NDArray[np.float64]


class TinyDense(nn.Module):
    """Two dense layers, as in DenseNet: BN, in-place ReLU, convolution, and the concatenation of everything so far."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(7)])
        self.convs = nn.ModuleList([nn.Conv2d(4, 3, 3, padding=1, bias=False), nn.Conv2d(7, 3, 3, padding=1, bias=False)])
        self.classifier = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = torch.cat([x, conv(nn.functional.relu(norm(x), inplace=True))], 1)
        return self.classifier(nn.functional.relu(x, inplace=True).mean((2, 3)))


def tiny_vgg(inplace: bool = True) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace),
        nn.Flatten(), nn.Linear(128, 12), nn.ReLU(inplace), nn.Dropout(), nn.Linear(12, 5),
    )  # fmt: skip


def images(*sizes: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, 3, 8, 8, generator=generator) + 0.5 for n in sizes]


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return make()


def hsic_song(x: Matrix, y: Matrix) -> float:
    """HSIC_1 of Song et al. 2012, equation 5, written out: no centring anywhere."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    one = np.ones(n)
    middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float(((k * m).sum() + middle - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3)))


def layer_outputs(network: nn.Module, batch: Tensor) -> dict[str, Matrix]:
    """Outputs (n, p) of convolution and linear modules in eval mode, cloned in the order of the calls."""
    found: dict[str, Matrix] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda module, inputs, output: found.update({name: output.clone().flatten(1).double().numpy()})

    handles = [
        module.register_forward_hook(keep(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        network.eval()(batch)
    for handle in handles:
        handle.remove()
    return found


def naive_map(a: nn.Module, b: nn.Module, batches: list[Tensor]) -> Matrix:
    """Nguyen et al. 2021 with Song's formula per cell and batch, batches weighted by their pairs of samples."""
    cross, own_a, own_b = (0.0 for _ in range(3))
    for batch in batches:
        weight = math.comb(len(batch), 2)
        rows, columns = (list(layer_outputs(network, batch).values()) for network in (a, b))
        cross = cross + weight * np.array([[hsic_song(x, y) for y in columns] for x in rows])
        own_a = own_a + weight * np.array([hsic_song(x, x) for x in rows])
        own_b = own_b + weight * np.array([hsic_song(y, y) for y in columns])
    return cross / np.sqrt(np.outer(own_a, own_b))
