"""Where a training stage stands, as it is saved and taken up again: network, optimizer, masks, history."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from prunescope.networks.architectures import fill_
from prunescope.networks.bits import Bits
from prunescope.training import parallel
from prunescope.training.loop import Log
from prunescope.training.optimizers import Optimizer, restore_, tensors
from prunescope.training.resume import Resume

PARTS = ("network", "optimizer", "masks", "sums")


@dataclass
class Progress:
    """A stage's moving parts with the file that keeps them; `fit` calls `due` and `save` after its steps.

    shared: the network as it trains: together with other processes, compiled
    resumed: whether an interrupted run was found; network, update and log are then as it left them, and `masks` are its masks.
    """

    resume: Resume
    network: nn.Module
    update: Optimizer
    log: Log
    masks: Bits = field(default_factory=Bits)
    compiled: bool = False
    sums: Tensor | None = None
    resumed: bool = False
    stop: bool = False
    shared: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        self.shared = parallel.shared(self.network)
        if self.compiled:  # on a GPU with CUDA graphs, which spare DenseNet's thousands of launches
            graphs = next(self.network.parameters()).is_cuda
            self.shared = cast(nn.Module, torch.compile(self.shared, mode="reduce-overhead" if graphs else "default"))
        found = self.resume.load()
        if found is None:
            return
        parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
        for name, tensor in found[0].items():
            part, _, rest = name.partition("/")
            parts[part][rest] = tensor
        fill_(self.network, parts["network"])
        self.update.state.clear()
        restore_(self.update, parts["optimizer"])
        state = self.network.state_dict()
        self.masks = Bits.from_packed(parts["masks"], {name: state[name].shape for name in parts["masks"]})
        self.masks = self.masks.to(next(self.network.parameters()).device)
        self.sums = parts["sums"]["now"]
        self.log.__dict__.update(found[1])
        self.resumed = True
        print(f"resumed after {self.log.steps} steps", flush=True)

    def due(self, *, epoch_end: bool) -> bool:
        return self.stop or self.resume.due(epoch_end=epoch_end)

    def save(self, sums: Tensor) -> None:
        """Save the state after a step; then, if the user or the system asked to stop, do so."""
        stop = parallel.agreed(self.stop, sums.device)
        if not parallel.rank():
            self._write(sums)
        if stop:
            raise KeyboardInterrupt(f"stopped after {self.log.steps} steps of this stage; run it again to go on from there")

    def _write(self, sums: Tensor) -> None:
        parts: dict[str, dict[str, Tensor]] = {
            "network": self.network.state_dict(),
            "optimizer": tensors(self.update),
            "masks": self.masks.packed(),
            "sums": {"now": sums},
        }
        flat = {f"{part}/{name}": _plain(tensor) for part, named in parts.items() for name, tensor in named.items()}
        self.resume.save(flat, asdict(self.log))

    def take_sums(self, device: torch.device) -> Tensor:
        """What the interrupted epoch had summed up, once; zeros otherwise."""
        sums, self.sums = self.sums, None
        return torch.zeros(5, device=device) if sums is None else sums.to(device)

    @contextlib.contextmanager
    def stopping_between_steps(self) -> Iterator[None]:
        """Inside, Ctrl-C and SIGTERM wait for the end of the step and save; a second one stops at once."""

        def ask(number: int, frame: Any) -> None:
            if self.stop:
                raise KeyboardInterrupt
            self.stop = True

        kinds = (signal.SIGINT, signal.SIGTERM)
        before = {kind: signal.signal(kind, ask) for kind in kinds}
        try:
            yield
        finally:
            for kind in kinds:
                signal.signal(kind, before[kind])


def _plain(tensor: Tensor) -> Tensor:
    """On the CPU, contiguous, in memory of its own, as safetensors wants it."""
    return tensor.detach().cpu().contiguous()
