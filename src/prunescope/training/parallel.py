"""Several processes on one batch: a stage under torchrun, one process a GPU (or, with gloo, several on a CPU).

Every process draws the same batch and takes its part of it, so the global batch, the number of steps and, within rounding, the
gradients are those of one process. The first process writes; all hold the same weights and masks.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunescope.errors import PrunescopeError


def rank() -> int:
    """This process's number, from 0."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """Processes that share each batch."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def launch(wanted: str | int, device: str) -> None:
    """Become torchrun with this command if several processes are wanted and this is not yet one of them.

    wanted: "auto" (one a GPU; one on a CPU) or a number. Raises PrunescopeError for more processes than GPUs.
    """
    if "RANK" in os.environ:
        return
    gpus = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    number = max(gpus, 1) if wanted == "auto" else int(wanted)
    if gpus and number > gpus:
        raise PrunescopeError(f"runtime.processes: found {number}, wanted at most {gpus}: one process a GPU")
    if number > 1:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={number}", "--", *sys.argv]
        os.environ["PRUNESCOPE_LAUNCHER"] = str(os.getppid())
        os.execv(sys.executable, command)


def launcher_lives() -> bool:
    """Whether the process that started the stage, in front of torchrun, is still there."""
    launcher = os.environ.get("PRUNESCOPE_LAUNCHER")
    if launcher is None:
        return True
    try:
        os.kill(int(launcher), 0)
    except ProcessLookupError:
        return False
    return True


def join(device: torch.device) -> torch.device:
    """Meet the other processes; returns this one's device. Only the first process prints."""
    if count() == 1:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    if rank():
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process
    return device


def shared(network: nn.Module) -> nn.Module:
    """The network as it trains: gradients summed and batch-norm statistics taken over all processes' parts of a batch."""
    if count() == 1:
        return network
    device = next(network.parameters()).device
    if device.type == "cuda":
        for name, module in list(network.named_modules()):
            if isinstance(module, _BatchNorm):
                parent, _, child = name.rpartition(".")
                setattr(network.get_submodule(parent), child, nn.SyncBatchNorm.convert_sync_batchnorm(module))
    else:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.__class__ = SharedBatchNorm2d  # the same parameters and buffers by the same names
    from torch.nn.parallel import DistributedDataParallel  # imports much of torch

    return DistributedDataParallel(network, broadcast_buffers=False)


def summed_(tensor: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    if count() > 1:
        dist.all_reduce(tensor)
    return tensor


def agreed(flag: bool, device: torch.device) -> bool:
    """The first process's answer."""
    if count() == 1:
        return flag
    answer = torch.tensor([flag], dtype=torch.int32, device=device)
    dist.broadcast(answer, src=0)
    return bool(answer.item())


def require_equal(masks: Mapping[str, Tensor]) -> None:
    """Raise PrunescopeError unless all processes hold the same masks."""
    if count() > 1:
        for name, mask in masks.items():
            total = summed_(mask.to(torch.int32))
            if bool((total % count()).any()):
                raise PrunescopeError(f"processes disagree on the mask of {name}: their weights have drifted apart")


class _SumOfAll(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return summed_(tensor.clone())

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return summed_(gradient.clone())


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the parts of a batch that several CPU processes hold; torch's own needs GPUs."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        values = input.float()
        number = torch.tensor([float(values.numel() / values.shape[1])])
        sums = torch.cat([values.sum((0, 2, 3)), number])
        *total, size = _SumOfAll.apply(sums).split([values.shape[1], 1])
        mean = total[0] / size
        centred = values - mean.view(1, -1, 1, 1)
        variance = _SumOfAll.apply(centred.square().sum((0, 2, 3))) / size
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        with torch.no_grad():
            self.num_batches_tracked += 1
            share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * size / (size - 1), share)
        normal = centred * torch.rsqrt(variance + self.eps).view(1, -1, 1, 1)
        return torch.addcmul(self.bias.view(1, -1, 1, 1), normal, self.weight.view(1, -1, 1, 1)).to(input.dtype)


def mean_of(value: Tensor, part: Tensor, whole: Tensor | None, weights: Tensor | None = None) -> Tensor:
    """A mean over `part` of the labels as this process's share of the mean over the `whole` batch.

    weights: (K,) class weights by which the mean is weighted. The shares of all processes add up to the mean. DDP averages
    gradients, so the share counts as often as there are processes.
    """
    if whole is None:
        return value
    share = len(part) / len(whole) if weights is None else weights[part].sum() / weights[whole].sum()
    return value * share * count()
