"""A fine-tuning step with 80 % of the weights held at zero: ours, torch.nn.utils.prune, and the dense step as the floor.

    python benchmarks/step.py                       # VGG16 and DenseNet169 at 32 px
    python benchmarks/step.py --model vgg16 --batch-size 16

Then by themselves: the optimizer's update, fused as it is and as one operation after the other (torch's foreach), and the masks'
multiplication. Extra memory is the peak of three steps above the dense network's, each in a process of its own, as a multiple of
the weights.
"""

import statistics
import time

import torch
from common import Peak, interleaved, parser, peak_mib, table, train_step, wait, where
from torch.nn.utils import prune as reference

from prunescope import runtime
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.bits import Bits
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.scopes import kept_count
from prunescope.pruning.selection import keep_top
from prunescope.training import optimizers
from prunescope.training.loop import as_factors
from prunescope.training.optimizers import make

WAYS = ("dense", "prunescope", "torch.nn.utils.prune")


class Trainee:
    """A network with its own optimizer, pruned in one of WAYS; calling it makes one step."""

    def __init__(self, way: str, model: str, batch_size: int, device: torch.device, precision: torch.dtype) -> None:
        torch.manual_seed(0)
        self.network = build(Architecture(model, 100)).to(device, memory_format=torch.channels_last)
        weights = prunable(self.network)
        self.held, self.factors, self.masks = [], [], None
        if way != "dense":
            count = sum(weight.numel() for weight in weights.values())
            scores = {name: weight.detach() for name, weight in weights.items()}
            self.masks = Bits(keep_top(scores, ones(weights), kept_count(count, 0.8)))
        if way == "prunescope":
            apply_(weights, self.masks)
            self.held, self.factors = as_factors(weights, self.masks)
        elif way == "torch.nn.utils.prune":
            for name in weights:
                layer = self.network.get_submodule(name.removesuffix(".weight"))
                reference.custom_from_mask(layer, "weight", self.masks[name])
            self.masks = None
        self.update = make("sgd", list(self.network.parameters()), momentum=0.9, weight_decay=5e-4)
        self.images = torch.randn(batch_size, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
        self.labels = torch.arange(batch_size, device=device) % 100
        self.precision = precision

    def __call__(self) -> None:
        train_step(self.network, self.images, self.labels, self.update, self.precision)
        if self.factors:
            torch._foreach_mul_(self.held, self.factors)


def by_itself(trainee: Trainee, device: torch.device, rounds: int = 20) -> dict[str, float]:
    """Median seconds of a step's parts that are not forward or backward passes, taking turns."""
    gradients = [torch.zeros_like(parameter) for parameter in trainee.update.parameters]
    fused = optimizers.FUSED

    def update(devices: tuple[str, ...]) -> None:
        optimizers.FUSED = devices
        for parameter, gradient in zip(trainee.update.parameters, gradients, strict=True):
            parameter.grad = gradient
        trainee.update.step_(0.0)
        optimizers.FUSED = fused

    parts = {
        "the update, fused": lambda: update(fused),
        "the update, foreach": lambda: update(()),
        "the masks' multiplication": lambda: torch._foreach_mul_(trainee.held, trainee.factors),
    }
    seconds: dict[str, list[float]] = {what: [] for what in parts}
    for _ in range(rounds):
        for what, part in parts.items():
            wait(device)
            started = time.perf_counter()
            part()
            wait(device)
            seconds[what].append(time.perf_counter() - started)
    return {what: statistics.median(of) for what, of in seconds.items()}


def main() -> None:
    add = parser(__doc__)
    add.add_argument("--model", nargs="+", default=["vgg16", "densenet169"])
    add.add_argument("--batch-size", type=int, default=64)
    add.add_argument("--precision", default="auto")
    args = add.parse_args()
    device = runtime.device(args.device)
    runtime.prepare(args.threads, device)
    precision = runtime.precision(args.precision, device)
    if args.memory_of:
        way, model = args.memory_of.split("@")
        with Peak() as peak:
            trainee = Trainee(way, model, 16, device, precision)
            for _ in range(3):
                trainee()
        print(peak.mib)
        return
    print(where(device, precision), f"· {args.precision} · batch {args.batch_size}")
    for model in args.model:
        trainees = {way: Trainee(way, model, args.batch_size, device, precision) for way in WAYS}
        print(f"\n{model}")
        print(table(interleaved(trainees, rounds=args.rounds, device=device), reference="dense"))
        for what, alone in by_itself(trainees["prunescope"], device).items():
            print(f"{what + ' alone':34} {alone * 1e3:8.2f} ms")
        if device.type == "cpu":
            size = sum(p.numel() for p in trainees["dense"].network.parameters()) * 4 / 2**20
            dense = peak_mib(__file__, f"dense@{model}")
            for way in WAYS[1:]:
                extra = peak_mib(__file__, f"{way}@{model}") - dense
                print(f"{way:34} {extra:8.0f} MiB extra, {extra / size:.2f} times the weights ({size:.0f} MiB)")


if __name__ == "__main__":
    main()
