"""Layer similarity: debiased linear CKA between all layers of any number of networks, in one pass over the images.

    found = cka_maps({"dense": dense, "pruned": pruned}, batches)
    found.maps["dense", "pruned"][3, 5]  # layer 3 of dense with layer 5 of pruned; their names are in found.layers

Needs nothing of the rest of the workflow: any torch modules, any iterable of input batches.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.features import capture, evaluating, gram, home, layer_names

Pair = tuple[str, str]


@dataclass(frozen=True)
class Maps:
    """What `cka_maps` found: the layer names of each network in forward order, and a map (La, Lb) per pair of networks.

    `maps[a, b][i, j]` is the CKA of layer `layers[a][i]` and layer `layers[b][j]`: rows are a. Never above 1 (but for
    rounding), slightly negative where layers are unrelated (nothing is clamped), NaN where one of them is dead.
    """

    layers: dict[str, list[str]]
    maps: dict[Pair, NDArray[np.float64]]
    samples: int
    batches: int


def cka_maps(
    networks: Mapping[str, nn.Module],
    batches: Iterable[Tensor],
    *,
    pairs: Iterable[Pair] | None = None,
    layers: str = "all",
    device: torch.device | str | None = None,
    on_batch: Callable[[int], object] | None = None,
) -> Maps:
    """Debiased linear CKA of every layer of one network with every layer of another, for all pairs of networks at once.

    networks: modules by name, with parameters in float32 (or float64) whatever they were trained in. They run in eval
        mode without autocast and gradients, and are left in the mode and on the device they had, without hooks.
    batches: input tensors (n, ...) with n >= 4, read once, in order; every network sees the same ones. No augmentation.
    pairs: the maps to compute, by default all, each network with itself included. (b, a) is the transpose of (a, b) and
        costs nothing more. Networks in no pair do not run.
    layers: "all" convolution and linear modules, "blocks", or a regular expression: see `features.layer_names`.
    device: where the networks run; by default each where it is.
    on_batch: called after each batch with the number of samples seen so far.

    Estimator (Nguyen et al. 2021, arXiv:2010.15327): HSIC_1, unbiased at any n (Song et al. 2012; here as inner product
    of U-centred Gram matrices, Székely & Rizzo 2014), is averaged over batches, and only the averages are divided:
    CKA = HSIC_1(K, L) / sqrt(HSIC_1(K, K) HSIC_1(L, L)).

    Unequal batches: a batch weighs as many as it has unordered pairs of samples, n (n - 1) / 2, so that every compared
    pair counts the same. Any weights are unbiased; the choice is about noise. The variance of HSIC_1 falls as 1/n^2 if
    features are many or unrelated (pairs are then the best weights), and as 1/n if few directions relate strongly
    (samples are then best, by little). Simulated with batches of 64, 64 and 10: on wide features pairs have a fifth
    less error than samples, on layers of trained networks the two tie, and equal weights have 1.7 times the error.

    Memory: each output is reduced to an n x n matrix inside its hook, so no feature outlives its use in the forward
    pass. On a GPU, torch's own settings decide about TF32 in convolutions and products.

    A layer that is constant over the images (as when all weights before it are pruned) or not finite gets NaN in all
    its cells and is named in a warning.

    PrunescopeError: unknown networks in pairs, no layer, no batch, a batch of fewer than 4 samples, parameters below
    float32, a layer that is called twice in a forward pass, an output whose first dimension is not the n samples.
    """
    wanted = _wanted_pairs(networks, pairs)
    products = [pair for at, pair in enumerate(wanted) if pair[::-1] not in wanted[:at]]
    used = {name: network for name, network in networks.items() if any(name in pair for pair in wanted)}
    chosen = {name: layer_names(network, layers) for name, network in used.items()}
    for name, network in used.items():
        _check_precision(name, network)

    order: dict[str, list[str]] = {}
    own: dict[str, Tensor] = {}
    cross: dict[Pair, Tensor] = {}
    samples = count = 0
    with evaluating(used.values(), device):
        place = home(used[wanted[0][0]])
        for batch in batches:
            n = _check_batch(batch, count)
            with torch.inference_mode():
                vectors = {}
                for name, network in used.items():
                    grams = _layer_grams(name, network, chosen[name], batch)
                    if order.setdefault(name, list(grams)) != list(grams):
                        raise PrunescopeError(
                            f"found other layers of {name}, or another order, in batch {count} than in batch 0; wanted "
                            "the same: choose layers that every forward pass calls, by a regular expression"
                        )
                    vectors[name] = _upper_triangles(torch.stack(list(grams.values()))).to(place)
                # n (n - 1) / 2 pairs times HSIC_1, which is the product of these vectors times 2 / (n (n - 3))
                weight = (n - 1) / (n - 3)
                for name, vector in vectors.items():
                    own[name] = own.get(name, 0) + weight * vector.square().sum(1)
                for a, b in products:
                    cross[a, b] = cross.get((a, b), 0) + weight * (vectors[a] @ vectors[b].T)
            samples, count = samples + n, count + 1
            if on_batch is not None:
                on_batch(samples)
    if not count:
        raise PrunescopeError("found no batch; wanted at least one, of 4 or more samples: an iterator is read only once")

    norms: dict[str, NDArray[np.float64]] = {}
    for name, total in own.items():
        squares = total.cpu().double().numpy()
        dead = ~(np.isfinite(squares) & (squares > 0))
        norms[name] = np.sqrt(np.where(dead, np.nan, squares))
        if dead.any():
            listed = ", ".join(np.array(order[name])[dead])
            warnings.warn(f"{name}: similarity is NaN for layers constant over the images or not finite: {listed}", stacklevel=2)
    maps = {}
    for a, b in wanted:
        product = cross[a, b] if (a, b) in cross else cross[b, a].T
        maps[a, b] = product.cpu().double().numpy() / np.outer(norms[a], norms[b])
    return Maps(layers=order, maps=maps, samples=samples, batches=count)


def linear_cka(x: ArrayLike | Tensor, y: ArrayLike | Tensor, debiased: bool = True) -> float:
    """Linear CKA of features x (n, p) and y (n, q) of the same n samples at once, in float64; NaN if one is constant.

    Debiased (n >= 4; about 0 for unrelated features, may be negative), or biased as in Kornblith et al. 2019
    (arXiv:1905.00414), which nears 1 as p / n grows, whatever the features are. PrunescopeError for other shapes.
    """
    first, second = (torch.as_tensor(value, dtype=torch.float64) for value in (x, y))
    least = 4 if debiased else 2
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or len(first) < least:
        raise PrunescopeError(
            f"found features of shapes {tuple(first.shape)} and {tuple(second.shape)}; wanted (n, p) and (n, q), the "
            f"same n >= {least}: flatten with x.reshape(len(x), -1)"
        )
    k, m = gram(first), gram(second)  # of centred features, so centred themselves
    if debiased:
        k, m = u_centred(k), u_centred(m)
    squares = (k * k).sum() * (m * m).sum()
    return float((k * m).sum() / squares.sqrt()) if squares > 0 else float("nan")


def u_centred(grams: Tensor) -> Tensor:
    """U-centre Gram matrices (..., n, n), n >= 3: rows, columns and diagonal sum to zero, the diagonal is zero.

    The inner product of two of them over n (n - 3) is HSIC_1 (Székely & Rizzo 2014, arXiv:1310.2926).
    """
    n = grams.shape[-1]
    centred = grams.clone()
    diagonals = centred.diagonal(dim1=-2, dim2=-1)
    diagonals.zero_()
    means = centred.sum(-1) / (n - 2)
    means -= means.sum(-1, keepdim=True) / (2 * (n - 1))
    centred -= means.unsqueeze(-1)
    centred -= means.unsqueeze(-2)
    diagonals.zero_()
    return centred


def off_diagonal_mean(matrix: ArrayLike) -> float:
    """Mean similarity of different layers of one network, from its map (L, L) with itself; NaN cells are left out.

    NaN if no cell is left; PrunescopeError for a map that is not square.
    """
    cells = _square(matrix)
    cells = cells[~np.eye(len(cells), dtype=bool)]
    cells = cells[~np.isnan(cells)]
    return float(cells.mean()) if cells.size else float("nan")


def diagonal(matrix: ArrayLike) -> NDArray[np.float64]:
    """Similarity (L,) of the same layer in two networks, by depth, from their map; PrunescopeError if not square."""
    return _square(matrix).diagonal().copy()


def _square(matrix: ArrayLike) -> NDArray[np.float64]:
    cells = np.asarray(matrix, dtype=np.float64)
    if cells.ndim != 2 or cells.shape[0] != cells.shape[1]:
        raise PrunescopeError(f"found a map of shape {cells.shape}; wanted a square one: networks with the same layers")
    return cells


def _wanted_pairs(networks: Mapping[str, nn.Module], pairs: Iterable[Pair] | None) -> list[Pair]:
    every = combinations_with_replacement(networks, 2)
    wanted = list(dict.fromkeys((a, b) for a, b in (every if pairs is None else pairs)))
    unknown = {name for pair in wanted for name in pair} - set(networks)
    if unknown or not wanted:
        found = f"unknown networks {sorted(unknown)} in pairs" if unknown else "no pair of networks"
        raise PrunescopeError(f"found {found}; wanted pairs of: {', '.join(networks) or '(no networks given)'}")
    return wanted


def _check_precision(name: str, network: nn.Module) -> None:
    low = {str(value.dtype) for value in network.parameters() if value.is_floating_point() and value.dtype.itemsize < 4}
    if low:
        raise PrunescopeError(f"found parameters of {name} in {', '.join(low)}; wanted float32: call network.float()")


def _check_batch(batch: object, index: int) -> int:
    if not isinstance(batch, Tensor) or not batch.ndim:
        raise PrunescopeError(
            f"found {type(batch).__name__} as batch {index}; wanted a tensor of inputs (n, ...): from a loader of "
            "images and labels pass (images for images, labels in loader)"
        )
    if len(batch) < 4:
        raise PrunescopeError(
            f"found {len(batch)} samples in batch {index}; wanted at least 4 (HSIC_1 divides by n - 3): leave that "
            "batch out (drop_last=True), or choose a number of images and a batch size that leave no such remainder"
        )
    return len(batch)


def _layer_grams(name: str, network: nn.Module, layers: list[str], batch: Tensor) -> dict[str, Tensor]:
    device = home(network)
    if batch.is_floating_point():
        kinds = (value.dtype for value in network.parameters() if value.is_floating_point())
        batch = batch.to(next(kinds, torch.float32))
    with torch.autocast(device.type, enabled=False), capture(network, layers, gram) as grams:
        network(batch.to(device))
    if not grams:
        raise PrunescopeError(f"found none of the chosen layers of {name} called in its forward pass; wanted some")
    for layer, matrix in grams.items():
        if len(matrix) != len(batch):
            raise PrunescopeError(
                f"found {len(matrix)} rows in the output of layer {layer} of {name}; wanted the {len(batch)} samples "
                "as its first dimension: choose layers without it by a regular expression"
            )
    return grams


def _upper_triangles(grams: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(*grams.shape[-2:], offset=1, device=grams.device)
    return u_centred(grams)[:, rows, columns]
