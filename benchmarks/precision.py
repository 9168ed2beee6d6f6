"""A training step in fp32 and bf16, with contiguous and channels-last memory: what `runtime.precision: auto` chooses and why.

python benchmarks/precision.py
"""

import torch
from common import interleaved, parser, table, train_step, where

from prunescope import runtime
from prunescope.networks.architectures import Architecture, build
from prunescope.training.optimizers import make

BATCH = 64
NETWORKS = {
    "VGG16-BN, quarter width": Architecture("vgg16_bn", 100, width=0.25, head="compact"),
    "DenseNet169": Architecture("densenet169", 100),
}


def stepper(architecture: Architecture, layout: torch.memory_format, dtype: torch.dtype, device: torch.device):
    torch.manual_seed(0)
    network = build(architecture).to(device, memory_format=layout)
    update = make("sgd", list(network.parameters()), momentum=0.9, weight_decay=5e-4)
    images = torch.randn(BATCH, 3, 32, 32, device=device).contiguous(memory_format=layout)
    labels = torch.arange(BATCH, device=device) % 100

    def step() -> None:
        train_step(network, images, labels, update, dtype)

    return step


def main() -> None:
    args = parser(__doc__).parse_args()
    device = runtime.device(args.device)
    runtime.prepare(args.threads, device)
    chosen = runtime.precision("auto", device)
    print(where(device), f"· auto chooses {chosen}, channels_last always")
    for name, architecture in NETWORKS.items():
        print(f"\n{name}")
        kinds = {
            "fp32 contiguous": (torch.contiguous_format, torch.float32),
            "fp32 channels_last": (torch.channels_last, torch.float32),
            "bf16 contiguous": (torch.contiguous_format, torch.bfloat16),
            "bf16 channels_last": (torch.channels_last, torch.bfloat16),
        }
        steps = {kind: stepper(architecture, *how, device) for kind, how in kinds.items()}
        print(table(interleaved(steps, rounds=args.rounds, device=device), reference="fp32 contiguous"))


if __name__ == "__main__":
    main()
