"""Optimizers as torch's own functional updates.

torch.optim's classes import torch's compiler when one is made (2 s a stage); the functions beneath them are the same arithmetic.
Where the device has it, it is fused: one pass over the memory instead of one for each term. State is a plain dict of tensors, so
it can be saved and taken up again. A new optimizer is a function and a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

FUSED = ("cpu", "cuda")  # devices with fused updates


@dataclass
class Optimizer:
    """An update rule with its parameters and state; `step_(lr)` changes the parameters in place."""

    name: str
    parameters: list[nn.Parameter]
    momentum: float
    weight_decay: float
    state: dict[str, list[Tensor]] = field(default_factory=dict)

    def step_(self, learning_rate: float) -> None:
        with torch.no_grad():
            OPTIMIZERS[self.name](self, learning_rate)
        for parameter in self.parameters:
            parameter.grad = None


def tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The state by flat names ("momentum:3"), for a checkpoint; empty before the first step."""
    return {f"{kind}:{n}": tensor for kind, parts in optimizer.state.items() for n, tensor in enumerate(parts)}


def restore_(optimizer: Optimizer, saved: dict[str, Tensor]) -> None:
    """Take up the state that `tensors` gave, on the parameters' devices and in their memory layout."""
    for name in sorted(saved, key=lambda name: int(name.partition(":")[2])):
        kind, _, number = name.partition(":")
        like = optimizer.parameters[int(number)].data
        part = _steps(like) if kind == "steps" else torch.empty_like(like)
        optimizer.state.setdefault(kind, []).append(part.copy_(saved[name]))


def make(name: str, parameters: Sequence[nn.Parameter], *, momentum: float, weight_decay: float) -> Optimizer:
    """momentum: SGD's momentum, AdamW's first beta · weight_decay: of all parameters, in SGD as an L2 term."""
    return Optimizer(name, list(parameters), momentum, weight_decay)


def _sgd(optimizer: Optimizer, learning_rate: float, nesterov: bool = False) -> None:
    parameters, gradients = _with_gradients(optimizer)
    if optimizer.momentum and "momentum" not in optimizer.state:
        optimizer.state["momentum"] = [torch.zeros_like(p) for p in parameters]
    sgd(
        parameters,
        gradients,
        list(optimizer.state.get("momentum", [None] * len(parameters))),  # type: ignore[arg-type]
        **_way(parameters),
        weight_decay=optimizer.weight_decay,
        momentum=optimizer.momentum,
        lr=learning_rate,
        dampening=0.0,
        nesterov=nesterov,
        maximize=False,
    )


def _nesterov(optimizer: Optimizer, learning_rate: float) -> None:
    _sgd(optimizer, learning_rate, nesterov=True)


def _adamw(optimizer: Optimizer, learning_rate: float) -> None:
    """Loshchilov & Hutter 2019; second beta 0.999, eps 1e-8."""
    parameters, gradients = _with_gradients(optimizer)
    if not optimizer.state:
        optimizer.state["first"] = [torch.zeros_like(p) for p in parameters]
        optimizer.state["second"] = [torch.zeros_like(p) for p in parameters]
        optimizer.state["steps"] = [_steps(p) for p in parameters]
    adam(
        parameters,
        gradients,
        optimizer.state["first"],
        optimizer.state["second"],
        [],
        optimizer.state["steps"],
        **_way(parameters),
        amsgrad=False,
        beta1=optimizer.momentum,
        beta2=0.999,
        lr=learning_rate,
        weight_decay=optimizer.weight_decay,
        eps=1e-8,
        maximize=False,
        decoupled_weight_decay=True,
    )


def _way(parameters: Sequence[Tensor]) -> dict[str, Any]:
    fused = all(p.device.type in FUSED for p in parameters)
    return {"fused": fused, "foreach": not fused}


def _steps(parameter: Tensor) -> Tensor:
    """A count of steps, at 0, where the update looks for it."""
    return torch.zeros((), device=parameter.device if parameter.device.type in FUSED else "cpu")


OPTIMIZERS = {"sgd": _sgd, "nesterov": _nesterov, "adamw": _adamw}


def _with_gradients(optimizer: Optimizer) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters and their gradients in the same memory layout; a parameter that took no part in the loss has gradient zero."""
    parameters: list[Tensor] = list(optimizer.parameters)
    return parameters, [_like(p, p.grad) if p.grad is not None else torch.zeros_like(p) for p in parameters]


def _like(parameter: Tensor, gradient: Tensor) -> Tensor:
    """Fused updates go through the memory of both side by side: in another layout they would take other weights' gradients."""
    return gradient if gradient.stride() == parameter.stride() else torch.empty_like(parameter).copy_(gradient)
