"""Exact global selection of 80 % of VGG16's 138 M weights: ours against torch.nn.utils.prune.global_unstructured.

    python benchmarks/selection.py

Both remove exactly the same number of weights. Extra memory is the peak above weights and results (masks), each in a process
of its own.
"""

import itertools

import torch
from common import Peak, interleaved, parser, peak_mib, table, where
from torch import nn
from torch.nn.utils import prune as reference

from prunescope import runtime
from prunescope.networks.masks import ones
from prunescope.pruning.scopes import kept_count
from prunescope.pruning.selection import keep_top

SPARSITY = 0.8
OURS, THEIRS = "prunescope keep_top", "torch global_unstructured"


def layers() -> dict[str, nn.Module]:
    """Modules with weights of the shapes of torchvision's VGG16."""
    channels = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    modules: list[nn.Module] = [nn.Conv2d(a, b, 3, bias=False) for a, b in itertools.pairwise(channels)]
    modules += [nn.Linear(a, b, bias=False) for a, b in ((25088, 4096), (4096, 4096), (4096, 1000))]
    return {f"{number}.weight": module for number, module in enumerate(modules)}


def ours(modules: dict[str, nn.Module], masks: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    scores = {name: module.weight.detach() for name, module in modules.items()}
    return keep_top(scores, masks, kept_count(sum(score.numel() for score in scores.values()), SPARSITY))


def theirs(modules: dict[str, nn.Module]) -> None:
    """Selects and applies: torch offers no selection alone. Applying is 2 % of its time."""
    reference.global_unstructured([(m, "weight") for m in modules.values()], reference.L1Unstructured, amount=SPARSITY)


def clean(modules: dict[str, nn.Module]) -> None:
    for module in modules.values():
        if reference.is_pruned(module):
            values = module.weight_orig.data
            reference.remove(module, "weight")
            module.weight.data = values


def main() -> None:
    args = parser(__doc__).parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = runtime.device(args.device)
    torch.manual_seed(0)
    modules = {name: module.to(device) for name, module in layers().items()}
    count = sum(module.weight.numel() for module in modules.values())
    masks = ones({name: module.weight for name, module in modules.items()})  # the previous round's, an input
    if args.memory_of:
        results = count * {"ours": 1, "theirs": 4 + 4}[args.memory_of] / 2**20  # bool masks; float masks and weights by them
        with Peak() as peak:
            kept = ours(modules, masks) if args.memory_of == "ours" else theirs(modules)
        del kept
        print(peak.mib - results)
        return
    wanted = kept_count(count, SPARSITY)
    assert sum(int(mask.sum()) for mask in ours(modules, masks).values()) == wanted
    theirs(modules)
    assert sum(int(module.weight_mask.sum()) for module in modules.values()) == wanted
    clean(modules)

    def theirs_and_clean() -> None:
        theirs(modules)
        clean(modules)

    print(where(device))
    seconds = interleaved({OURS: lambda: ours(modules, masks), THEIRS: theirs_and_clean}, rounds=args.rounds, device=device)
    print(table(seconds, reference=OURS))
    if device.type == "cpu":
        for name, key in ((OURS, "ours"), (THEIRS, "theirs")):
            print(f"{name:34} {peak_mib(__file__, key):8.0f} MiB extra at the peak (weights: {count * 4 / 2**20:.0f} MiB)")


if __name__ == "__main__":
    main()
