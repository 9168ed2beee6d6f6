"""Gram matrices of a network's layers from one forward pass, reduced in the hooks: all that CKA adds to that pass."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.similarity.features import capture, gram, has_rows, home, product

COMMON = 0.8  # share of a layer's energy that all samples may have in common before float32 should have the features centred
Features = Callable[[nn.Module, Tensor], Tensor]  # a layer and its output -> (n, p)
REPEATED = 0.95  # the share at which a pass that did not is repeated: well apart, so that no layer near the first costs a pass


@dataclass
class Room:
    """Room for the Gram matrices of one network at a time. Single ones, kept between a forward pass's large outputs, would
    keep the allocator from using the same memory again."""

    layers: int
    stack: Tensor = field(default_factory=lambda: torch.empty(0, 0, 0))

    def take(self, n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """A stack (layers, n, n) whose content may be anything, valid until the next is taken."""
        if (self.stack.shape[-1], self.stack.dtype, self.stack.device) != (n, dtype, device):
            self.stack = torch.empty(self.layers + 1, n, n, dtype=dtype, device=device)  # one more: for a layer called twice
        return self.stack


@contextlib.contextmanager
def grams_of(
    name: str, network: nn.Module, layers: list[str], features: Features, room: Room, *, some: bool = False
) -> Iterator[Callable[[Tensor], tuple[list[str], Tensor]]]:
    """Yield a function from a batch to the names and Gram matrices (L, n, n) of the layers in forward order, in `room`.

    They are right up to what centring takes away, and as precise as the features: float32 from here on moves similarities by
    3e-7 at most, no more than the forward pass itself does (measured against float64 on whole networks). On a CPU centring
    costs a third of a product, and float32 needs it only where most of a layer's energy is common to all samples. The first
    batch shows, layer by layer, where that is so; these layers are centred from then on, and so are those of which a later batch
    shows it; its own pass is repeated only where the loss would count.

    some: pass over layers whose output has no row for each sample, instead of raising PrunescopeError.
    """
    shifted: set[str] = set() if home(network).type == "cpu" else set(layers)
    modules = {layer: network.get_submodule(layer) for layer in layers}
    running, first = False, True  # networks may share modules: a hook is for its own network's pass

    def reduce(layer: str, output: Tensor) -> Tensor | None:
        if not running:
            return None
        place = room.stack[len(found)]
        if some and not has_rows(output, len(place)):
            return None
        rows = features(modules[layer], output)
        if len(rows) != len(place):
            return rows  # refused after the pass
        if layer in shifted:
            return place.copy_(gram(rows))
        grams = product(rows, place if (rows.dtype, rows.device) == (place.dtype, place.device) else None)
        if first and bool(_common(grams) > COMMON):
            shifted.add(layer)
            grams = gram(rows)
        return grams if grams is place else place.copy_(grams)

    def forward(batch: Tensor) -> tuple[list[str], Tensor]:
        nonlocal running, first
        stack = room.take(len(batch), _precision(network), home(network))
        while True:
            running = True
            run(name, network, batch, found)
            running, checked = False, first or len(shifted) == len(layers)
            first = False
            names, grams = list(found), stack[: len(found)]
            if checked:  # nothing is left to be shown, and on an accelerator nothing to be waited for
                return names, grams
            shares = dict(zip(names, _common(grams).tolist(), strict=True))
            missed = any(share > REPEATED for layer, share in shares.items() if layer not in shifted)
            shifted.update(layer for layer, share in shares.items() if share > COMMON)
            if not missed:
                return names, grams

    with capture(network, layers, reduce) as found:
        yield forward


def _common(grams: Tensor) -> Tensor:
    """Share of the energy of features with Gram matrices (..., n, n) that all samples have in common, in (...)."""
    return grams.sum((-1, -2)) / (grams.shape[-1] * grams.diagonal(dim1=-2, dim2=-1).sum(-1))


def _precision(network: nn.Module) -> torch.dtype:
    return next((value.dtype for value in network.parameters() if value.is_floating_point()), torch.float32)


def run(name: str, network: nn.Module, batch: Tensor, found: dict[str, Tensor]) -> None:
    """Run a network whose outputs are captured into `found`."""
    device = home(network)
    if batch.is_floating_point():
        batch = batch.to(_precision(network))
    found.clear()
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        network(batch.to(device))
    if not found:
        raise PrunescopeError(
            f"found none of the chosen layers of {name} called in its forward pass with a row for each sample; wanted some"
        )
    for layer, matrix in found.items():
        if len(matrix) != len(batch):
            raise PrunescopeError(
                f"found {len(matrix)} rows in the output of layer {layer} of {name}; wanted the {len(batch)} samples "
                "as its first dimension: choose layers without it by a regular expression"
            )
