"""Layer similarity (CKA) between all layers of any number of networks, in one pass over the images.

    found = cka_maps({"dense": dense, "pruned": pruned}, batches)
    found["dense", "pruned"][3, 5]  # layer 3 of dense with layer 5 of pruned; their names are in found.layers

Needs nothing of the rest of the workflow: any torch modules, any iterable of input batches. `prunescope.similarity.intervals`
makes numbers with intervals out of it, `prunescope.similarity.hsic` has the same for features that are at hand as matrices.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.similarity.features import capture, channel_axis, evaluating, flattened, gram, has_rows, layer_names, pooled
from prunescope.similarity.grams import Features, Room, grams_of, run
from prunescope.similarity.hsic import LEAST, Totals, rbf, triangles


@dataclass(frozen=True)
class Maps:
    """What `cka_maps` found.

    `found[a, b]` is the map (La, Lb), float64, of networks a (rows) and b (columns): never above 1 (but for rounding),
    slightly negative where layers are unrelated (nothing is clamped), NaN where one of them is dead.
    `found.error(a, b)` is its standard error over the batches, NaN with a single batch.
    """

    layers: dict[str, list[str]]  # names of each network's layers in forward order
    values: NDArray[np.float64]  # (T, T): all layers of all networks, in that order
    errors: NDArray[np.float64]
    samples: int
    batches: int
    estimator: str  # in words
    vectors: list[NDArray[np.float32]] = field(default_factory=list)  # kept ones, (T, n (n - 1) / 2) per batch

    def __getitem__(self, pair: tuple[str, str]) -> NDArray[np.float64]:
        return self.values[self.place(pair[0]), self.place(pair[1])]

    def error(self, a: str, b: str) -> NDArray[np.float64]:
        return self.errors[self.place(a), self.place(b)]

    def place(self, name: str) -> slice:
        """Where the layers of a network lie in `values` and in `vectors`."""
        if name not in self.layers:
            raise PrunescopeError(f"found no network {name!r}; wanted one of: {', '.join(self.layers)}")
        ends = dict(zip(self.layers, accumulate(map(len, self.layers.values())), strict=True))
        return slice(ends[name] - len(self.layers[name]), ends[name])


def cka_maps(
    networks: Mapping[str, nn.Module],
    batches: Iterable[Tensor],
    *,
    layers: str = "all",
    estimator: str = "debiased",
    bandwidth: float | None = None,
    pool: bool = False,
    keep: bool = False,
    device: torch.device | str | None = None,
    on_batch: Callable[[int], object] | None = None,
) -> Maps:
    """CKA of every layer of every network with every other, from one forward pass of each network over the batches.

    networks: modules by name, with parameters in float32 (or float64) whatever they were trained in. They run in eval
        mode without autocast and gradients, and are left in the mode and on the device they had, without hooks.
    batches: input tensors (n, ...) with n >= 4, read once, in order; every network sees the same ones. No augmentation.
    layers: "all" convolution and linear modules, "blocks", or a regular expression: see `features.layer_names`. Of "all",
        those whose output has no row for each sample are passed over.
    estimator: "debiased" (unbiased HSIC_1), or "biased" (HSIC_0; for comparison with older numbers: it grows towards 1
        with features over samples, in small batches most).
    bandwidth: Gaussian kernels of this fraction of the median distance, instead of linear ones; the median is each batch's.
    pool: outputs as means over their positions (pixels, tokens), (n, channels), instead of flattened.
    keep: keep the centred kernels of all batches (float32, above the diagonal) for `similarity`'s intervals: layers x
        samples x batch size x 2 bytes. Debiased only.
    device: where the networks run; by default each where it is.
    on_batch: called after each batch with the number of samples seen so far.

    Estimator (Nguyen et al. 2021, arXiv:2010.15327): HSIC_1 is averaged over batches, and only the averages are divided:
    CKA = HSIC_1(K, L) / sqrt(HSIC_1(K, K) HSIC_1(L, L)).

    Unequal batches: a batch weighs as many as it has unordered pairs of samples, n (n - 1) / 2, so that every compared
    pair counts the same (biased: as many as it has samples). Any weights are unbiased; the choice is about noise. The
    variance of HSIC_1 falls as 1/n^2 if features are many or unrelated (pairs are then the best weights), and as 1/n if
    few directions relate strongly (samples are then best, by little). Simulated with batches of 64, 64 and 10: on wide
    features pairs have a fifth less error than samples, on layers of trained networks the two tie, and equal weights have
    1.7 times the error.

    Memory: each output is reduced to an n x n matrix inside its hook, so no feature outlives its use in the forward
    pass. On a GPU, torch's own settings decide about TF32 in convolutions and products.

    A layer that is constant over the images (as when all weights before it are pruned) or not finite gets NaN in all
    its cells and is named in a warning.

    PrunescopeError: no network, no layer, no batch, a batch of fewer than 4 samples, parameters below float32, a layer
    that is called twice in a forward pass, an output of a layer chosen by name whose first dimension is not the n samples.
    """
    features, totals, kept = _features(pool), Totals(estimator), []
    with evaluating(networks.values(), device), contextlib.ExitStack() as stack:
        names = _checked_layers(networks, layers, estimator if keep else None)
        room = Room(max(map(len, names.values())))
        passes = {
            name: stack.enter_context(grams_of(name, network, names[name], features, room, some=layers == "all"))
            for name, network in networks.items()
        }
        order: dict[str, list[str]] = {}
        for batch in batches:
            n = _check_batch(batch, totals.batches, LEAST[estimator])
            with torch.inference_mode():
                vectors = []
                for name, forward in passes.items():
                    called, grams = forward(batch)
                    if order.setdefault(name, called) != called:
                        raise PrunescopeError(
                            f"found other layers of {name}, or another order, in batch {totals.batches} than in batch 0; wanted "
                            "the same: choose layers that every forward pass calls, by a regular expression"
                        )
                    vectors.append(_vectors(grams, estimator, bandwidth))
                together = torch.cat([part.to(vectors[0].device) for part in vectors])
                totals.add(together, n)
            if keep:
                kept.append(together.float().cpu().numpy())
            if on_batch is not None:
                on_batch(totals.samples)
    return _maps(totals, order, f"{estimator} minibatch {_kernel(bandwidth)} CKA", kept)


def cka_whole(
    networks: Mapping[str, nn.Module],
    batches: Iterable[Tensor],
    *,
    layers: str = "all",
    estimator: str = "debiased",
    bandwidth: float | None = None,
    pool: bool = False,
    device: torch.device | str | None = None,
) -> Maps:
    """The same from all samples at once, whatever the batches: the full-batch value that minibatches approach.

    Each layer has one Gram matrix over all samples. All features of all networks stay in memory until the end, and the
    time grows with the square of the samples: a reference, and an option for small probe sets.
    """
    features, totals = _features(pool), Totals(estimator)

    def keep(network: nn.Module, n: int) -> Callable[[str, Tensor], Tensor | None]:
        def reduce(layer: str, output: Tensor) -> Tensor | None:
            if layers == "all" and not has_rows(output, n):
                return None
            return features(network.get_submodule(layer), output).clone()

        return reduce

    found: dict[str, dict[str, list[Tensor]]] = {name: {} for name in networks}
    samples = count = 0
    with evaluating(networks.values(), device):
        names = _checked_layers(networks, layers)
        for batch in batches:
            samples, count = samples + _check_batch(batch, count, 1), count + 1
            for name, network in networks.items():
                with capture(network, names[name], keep(network, len(batch))) as outputs:
                    run(name, network, batch, outputs)
                for layer, output in outputs.items():
                    found[name].setdefault(layer, []).append(output)
        _check_batch(torch.empty(samples, 0), 0, LEAST[estimator])
        with torch.inference_mode():
            grams = [gram(torch.cat(parts)).cpu() for of in found.values() for parts in of.values()]
            totals.add(_vectors(torch.stack(grams), estimator, bandwidth), samples)
    return _maps(totals, {name: list(of) for name, of in found.items()}, f"{estimator} full-batch {_kernel(bandwidth)} CKA")


def _features(pool: bool) -> Features:
    if pool:
        return lambda module, output: pooled(output, channel_axis(module, output))
    return lambda module, output: flattened(output)


def _vectors(grams: Tensor, estimator: str, bandwidth: float | None) -> Tensor:
    if bandwidth is not None:  # distances are small differences of large products
        grams = rbf(grams if grams.device.type == "mps" else grams.double(), bandwidth)
    return triangles(grams, estimator)


def _kernel(bandwidth: float | None) -> str:
    return "linear" if bandwidth is None else f"RBF({bandwidth:g})"


def _maps(totals: Totals, order: dict[str, list[str]], estimator: str, kept: list[NDArray[np.float32]] | None = None) -> Maps:
    if not totals.batches:
        raise PrunescopeError("found no batch; wanted at least one, of 4 or more samples: an iterator is read only once")
    values, errors = totals.similarity()
    maps = Maps(order, values, errors, totals.samples, totals.batches, estimator, kept or [])
    for name, layers in order.items():
        dead = np.isnan(maps[name, name].diagonal())
        if dead.any():
            listed = ", ".join(np.array(layers)[dead])
            warnings.warn(f"{name}: similarity is NaN for layers constant over the images or not finite: {listed}", stacklevel=3)
    return maps


def _checked_layers(networks: Mapping[str, nn.Module], layers: str, kept: str | None = None) -> dict[str, list[str]]:
    """The chosen layers of each network; `kept` is the estimator whose vectors are to be kept."""
    if not networks:
        raise PrunescopeError("found no networks; wanted at least one")
    if kept not in (None, "debiased"):
        raise PrunescopeError(f"found estimator {kept} with keep; wanted debiased: intervals are made for it alone")
    for name, network in networks.items():
        low = {str(value.dtype) for value in network.parameters() if value.is_floating_point() and value.dtype.itemsize < 4}
        if low:
            raise PrunescopeError(f"found parameters of {name} in {', '.join(low)}; wanted float32: call network.float()")
    return {name: layer_names(network, layers) for name, network in networks.items()}


def _check_batch(batch: object, index: int, least: int) -> int:
    if not isinstance(batch, Tensor) or not batch.ndim:
        raise PrunescopeError(
            f"found {type(batch).__name__} as batch {index}; wanted a tensor of inputs (n, ...): from a loader of "
            "images and labels pass (images for images, labels in loader)"
        )
    if len(batch) < least:
        raise PrunescopeError(
            f"found {len(batch)} samples in batch {index}; wanted at least {least} (HSIC_1 divides by n - 3): leave that "
            "batch out (drop_last=True), or choose a number of images and a batch size that leave no such remainder"
        )
    return len(batch)
