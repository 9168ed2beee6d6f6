"""Write docs/architectures.md: what params.yaml may name as a model, with figures of each. For maintainers; two minutes.

python scripts/write_architecture_docs.py
"""

from pathlib import Path

from torch import nn

from prunescope.evaluation.costs import macs_per_weight
from prunescope.networks.architectures import Architecture, unfilled
from prunescope.networks.masks import prunable
from prunescope.study.architectures import ARCHITECTURES
from prunescope.study.guards import refusal
from prunescope.study.recipes import IMAGE_SIZES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "architectures.md"
HEAD = """# Architectures

What `study.models`, `distill.teachers` and `distill.student` may name: torchvision's classifiers, by torchvision's names.
`PRUNESCOPE_EVERY=1 python -m pytest -m slow tests/networks/test_every_architecture.py` takes each through a study: built,
pruned, written and read, trained for a step with held masks, evaluated, packed and unpacked, compared layer by layer; without
the variable the smallest of each family. It passes over those for which the machine has not ten times the memory of their
weights.

- `width` other than 1 and the compact head are for VGG, width for DenseNet too; rows below are of the networks as published.
  The stem for small images (`stem: cifar`) takes the place of the first convolution in ResNet, ResNeXt, Wide ResNet and
  DenseNet.
- *Pruned* is the share of the parameters that a method prunes, unless `exclude` names their layer: weights of convolutions,
  linear layers and attention.
- Attention's first projections are named `<layer>.in_proj` in `exclude` and in tables of layers, where one weight holds all
  three (`"*.in_proj"` leaves them dense); Swin's are linear layers called `qkv`.
- *MACs* are multiply-accumulates of one image of 224 px, as torch dispatches them: half of what some call FLOPs. Products
  between activations, as in attention, are included, though pruning takes nothing off them; a study's metrics say how many they
  are (`macs_without_weights`). Normalisation, activations and pooling are not counted.
- *Images* are the sides of the square images that it takes, in pixels.
- With `cka.layers: all` the layer of an attention is its output. What has no output for each image (its projections, Swin v2's
  position biases) is named in the report.

## ONNX

`python -m pytest -m slow tests/deploy/test_every_export.py` exports the smallest of each family, as fp32 and as INT8; with
`PRUNESCOPE_EVERY=1` before it all of them. With torch 2.15 and onnxruntime 1.32 every one of the list is exported, pruned, and
does what torch does, but for `regnet_y_128gf` and `vit_h_14`: `prunescope export` refuses weights of more than 2 GB, which no
ONNX file holds.

## Figures

The table is written by `python scripts/write_architecture_docs.py`.

| name | parameters, M | pruned, % | MACs, G | images, px |
| :-- | --: | --: | --: | --: |
"""
SIZE = 224  # px, for the MACs


def row(name: str) -> str:
    """A line of the table. Parameters and MACs are those of 1,000 classes."""
    network = unfilled(Architecture(name, 1000)).eval()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    pruned = sum(weight.numel() for weight in prunable(network).values())
    by_weight, between = macs_per_weight(network, SIZE)
    macs = sum(by_weight.values()) + between
    return f"| `{name}` | {parameters / 1e6:,.1f} | {100 * pruned / parameters:.1f} | {macs / 1e9:.2f} | {images(network)} |"


def images(network: nn.Module) -> str:
    """The sizes that a network takes, in words."""
    least = next(size for size in IMAGE_SIZES if not refusal(network, size))
    if not refusal(network, IMAGE_SIZES[-1]):
        return f"{least} or more"
    most = next(size for size in IMAGE_SIZES if size >= least and refusal(network, size + 1))
    return f"{least}" if most == least else f"{least} to {most}"


def markdown() -> str:
    return HEAD + "\n".join(row(name) for name in ARCHITECTURES) + "\n"


if __name__ == "__main__":
    PAGE.write_text(markdown(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
