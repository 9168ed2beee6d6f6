"""On a CUDA device: the same masks as on a CPU, held masks, training as on a CPU within rounding, state that comes back.

python -m pytest -n 0 -m gpu
"""

from pathlib import Path

import pytest
import torch
from torch import nn

from prunescope import runtime
from prunescope.data.batches import Batches
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.bits import Bits
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.calibration import mean_gradients, reestimate_
from prunescope.pruning.selection import keep_top
from prunescope.training.loop import Log, fit
from prunescope.training.losses import cross_entropy
from prunescope.training.optimizers import OPTIMIZERS, make
from prunescope.training.progress import Progress
from prunescope.training.resume import Resume

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("default"),
]
CUDA = torch.device("cuda")
ARCHITECTURE = Architecture("densenet121", 3, width=0.125)


def batches_on(device: torch.device, store) -> Batches:
    return Batches(store, "train", batch_size=5, crop_padding=2, flip="both", seed=0, device=device)


def pruned(device: torch.device) -> tuple[nn.Module, dict[str, nn.Parameter], Bits]:
    torch.manual_seed(0)
    network = build(ARCHITECTURE).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = prunable(network)
    size = sum(weight.numel() for weight in weights.values())
    masks = Bits(keep_top({name: weight.detach() for name, weight in weights.items()}, ones(weights), size // 5))
    apply_(weights, masks)
    return network, weights, masks


def train(device: torch.device, store, folder: Path, *, optimizer: str = "sgd", precision=torch.float32, last=8, compiled=False):
    runtime.prepare(0, device)
    network, weights, masks = pruned(device)
    update = make(optimizer, list(network.parameters()), momentum=0.9, weight_decay=5e-4)
    progress = Progress(Resume("gpu", {"x": "p"}, every=0, folder=folder), network, update, Log(), compiled=compiled)
    progress.masks = masks
    fit(
        network, batches_on(device, store), cross_entropy(), first=progress.log.steps, last=last, schedule=lambda step: 0.01,
        update=update, precision=precision, seed=0, log=progress.log, validate=lambda network: (0.0, 0.0), weights=weights,
        masks=masks, clip_norm=1.0, saver=progress, shared=progress.shared,
    )  # fmt: skip
    return network, weights, masks


def test_masks_are_the_cpus() -> None:
    _, _, on_gpu = pruned(CUDA)
    _, _, on_cpu = pruned(torch.device("cpu"))
    assert all(torch.equal(mask.cpu(), on_cpu[name]) and mask.is_cuda for name, mask in on_gpu.items())


def test_batches_are_the_cpus(make_store) -> None:
    for step in (0, 5):
        for one, other in zip(
            batches_on(CUDA, make_store()).at(step), batches_on(torch.device("cpu"), make_store()).at(step), strict=True
        ):
            torch.testing.assert_close(one.cpu(), other)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_removed_weights_stay_zero(tmp_path, make_store, optimizer, precision) -> None:
    _, weights, masks = train(CUDA, make_store(size=32), tmp_path, optimizer=optimizer, precision=precision)
    assert all(not weights[name][~mask].any() for name, mask in masks.items())


def test_training_is_the_cpus_within_rounding(tmp_path, make_store) -> None:
    store = make_store(size=32)
    gpu, _, _ = train(CUDA, store, tmp_path / "gpu", last=2)
    cpu, _, _ = train(torch.device("cpu"), store, tmp_path / "cpu", last=2)
    for name, tensor in gpu.state_dict().items():
        torch.testing.assert_close(tensor.cpu(), cpu.state_dict()[name], rtol=2e-2, atol=2e-3, msg=name)


def test_an_interrupted_run_goes_on(tmp_path, make_store) -> None:
    store = make_store(size=32)
    whole, _, _ = train(CUDA, store, tmp_path / "whole")
    train(CUDA, store, tmp_path / "parts", last=3)
    parts, _, _ = train(CUDA, store, tmp_path / "parts")
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(tensor, parts.state_dict()[name], msg=name)


def test_compiled_with_cuda_graphs(tmp_path, make_store) -> None:
    _, weights, masks = train(CUDA, make_store(size=32), tmp_path, compiled=True, precision=torch.bfloat16)
    assert all(not weights[name][~mask].any() and weights[name].isfinite().all() for name, mask in masks.items())


def test_calibration_and_checkpoint(tmp_path, make_store) -> None:
    network, weights, masks = pruned(CUDA)
    batches = batches_on(CUDA, make_store(size=32))
    slopes = mean_gradients(network, weights, batches, cross_entropy(), count=2, precision=torch.bfloat16)
    assert all(slope.is_cuda and slope.isfinite().all() for slope in slopes.values())
    buffers = reestimate_(network, batches, count=2, precision=torch.bfloat16)
    saved = checkpoint.Checkpoint("pruned", ARCHITECTURE, network.state_dict(), masks, reestimated=buffers)
    checkpoint.write(tmp_path / "a.safetensors", saved)
    found = checkpoint.read(tmp_path / "a.safetensors")
    assert all(torch.equal(found.masks[name], mask.cpu()) for name, mask in masks.items())
    assert set(found.reestimated) == set(buffers)
