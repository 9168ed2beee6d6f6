"""CKA of all conv and linear layers of two networks: ours, torch-cka, pytorch-cka, and the two forward passes as the floor.

    pip install -e '.[bench]'
    python benchmarks/layer_similarity.py                                   # DenseNet169, VGG16 with and without batch norm
    python benchmarks/layer_similarity.py --networks 5 --without-others     # five networks at once, with five forward passes
    python benchmarks/layer_similarity.py --stem cifar                      # larger features: first convolution without stride

Errors are the largest of all cells from the same float32 features in float64 (both packages use another estimate of the same
value: pytorch-cka the same sums, torch-cka the mean over batches). Memory is the peak above the networks, in processes of
their own. Networks have random weights with settled batch-norm statistics, images are smooth noise.
"""

import contextlib
import io
import itertools
import warnings
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from common import Peak, interleaved, parser, peak_mib, table, where
from torch import Tensor, nn
from torch.utils.data import DataLoader

from prunescope import runtime
from prunescope.networks.architectures import Architecture, build
from prunescope.similarity.cka import cka_maps
from prunescope.similarity.features import capture, evaluating, flattened, layer_names
from prunescope.similarity.hsic import Totals, triangles

Networks, Way = dict[str, nn.Module], Callable[[], np.ndarray | None]


def images(batch_size: int, batches: int, size: int, device: torch.device) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(batches, batch_size, 3, size // 4, size // 4, generator=generator)
    made = [F.interpolate(batch, size=(size, size), mode="bicubic") for batch in coarse]
    return [batch.to(device).contiguous(memory_format=torch.channels_last) for batch in made]


def network(model: str, stem: str, seed: int, device: torch.device) -> nn.Module:
    torch.manual_seed(seed)
    made = build(Architecture(model, 100, stem=stem)).to(device, memory_format=torch.channels_last)
    made.train()
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # statistics are the mean of all batches
        for batch in images(64, 2, 32, device):
            made(batch)
    return made.eval()


def ways(networks: Networks, batches: list[Tensor], device: torch.device) -> dict[str, Way]:
    """Each candidate as a function that returns its map between the first two networks."""
    first, second = itertools.islice(networks, 2)
    layers = {name: layer_names(of) for name, of in networks.items()}

    def forward() -> None:
        with torch.inference_mode():
            for batch in batches:
                for of in networks.values():
                    of(batch)

    def ours() -> np.ndarray:
        return cka_maps(networks, batches)[first, second]

    def pytorch_cka() -> np.ndarray:
        from cka import compute_cka  # pyright: ignore[reportMissingImports]

        names = {"layers": layers[first], "model2_layers": layers[second], "device": str(device), "progress": False}
        return np.asarray(compute_cka(networks[first], networks[second], _loader(batches), **names))

    def torch_cka() -> np.ndarray:
        from torch_cka import CKA  # pyright: ignore[reportMissingImports]

        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            made = CKA(networks[first], networks[second], first, second, layers[first], layers[second], device=str(device))
            made.compare(_loader(batches))
            return made.export()["CKA"].numpy()

    return {"forward passes": forward, "prunescope": ours, "pytorch-cka": pytorch_cka, "torch-cka": torch_cka}


def _loader(batches: list[Tensor]) -> DataLoader:
    return DataLoader([(batch, 0) for batch in batches], batch_size=None)  # pyright: ignore[reportArgumentType]


def reference(networks: Networks, batches: list[Tensor]) -> np.ndarray:
    """The map between the first two networks from their float32 features, Gram matrices and all that follows in float64."""
    totals = Totals("debiased")
    with torch.inference_mode(), evaluating(networks.values()):
        for batch in batches:
            grams = []
            for of in itertools.islice(networks.values(), 2):
                with capture(of, layer_names(of), lambda _, output: _double_gram(output)) as found:
                    of(batch)
                grams.append(torch.stack(list(found.values())))
            totals.add(triangles(torch.cat(grams), "debiased"), len(batch))
    count = len(grams[0])
    return totals.similarity()[0][:count, count:]


def _double_gram(output: Tensor) -> Tensor:
    rows = flattened(output).double()
    rows = rows - rows.mean(0)
    return rows @ rows.T


def main() -> None:
    add = parser(__doc__)
    add.add_argument("--model", nargs="+", default=["densenet169", "vgg16_bn", "vgg16"])
    add.add_argument("--batch-size", type=int, default=64)
    add.add_argument("--batches", type=int, default=8)
    add.add_argument("--image-size", type=int, default=32)
    add.add_argument("--stem", choices=("imagenet", "cifar"), default="imagenet")
    add.add_argument("--networks", type=int, default=2)
    add.add_argument("--without-others", action="store_true")
    args = add.parse_args()
    device = runtime.device(args.device)
    runtime.prepare(args.threads, device)
    if args.memory_of:
        way, model = args.memory_of.split("@")
        networks = {f"network {seed}": network(model, args.stem, seed, device) for seed in range(2)}
        batches = images(args.batch_size, 2, args.image_size, device)
        with Peak() as peak:
            ways(networks, batches, device)[way]()
        print(peak.mib)
        return
    print(where(device), f"· {args.batches} batches of {args.batch_size} at {args.image_size} px, {args.stem} stem")
    for model in args.model:
        networks = {f"network {seed}": network(model, args.stem, seed, device) for seed in range(args.networks)}
        batches = images(args.batch_size, args.batches, args.image_size, device)
        candidates = ways(networks, batches, device)
        torch_cka = candidates.pop("torch-cka")
        if args.without_others:
            del candidates["pytorch-cka"]
        print(f"\n{model}, {args.networks} networks")
        print(table(interleaved(candidates, rounds=args.rounds, device=device), reference="forward passes"))
        exact = reference(networks, batches)
        found = {name: way() for name, way in candidates.items() if name != "forward passes"}
        if not args.without_others:  # so slow that two rounds on fewer batches must do
            few = ways(networks, batches[:2], device)
            slow = {"prunescope": few["prunescope"], "torch-cka": few["torch-cka"]}
            print(table(interleaved(slow, rounds=2, device=device), reference="prunescope"))
            found["torch-cka"] = torch_cka()
        for name, values in found.items():
            assert values is not None
            print(f"largest error of {name}: {np.nanmax(np.abs(values - exact)):.1e}")
        if device.type == "cpu" and not args.without_others:
            same = ["--threads", str(args.threads), "--image-size", str(args.image_size), "--stem", args.stem]
            peaks = {name: peak_mib(__file__, f"{name}@{model}", *same) for name in candidates}
            for name, peak in peaks.items():
                print(f"peak memory of {name}: {peak:,.0f} MiB, {peak / peaks['forward passes']:.2f} times the forward passes'")


if __name__ == "__main__":
    main()
