"""Which architectures are tried, and with what: the smallest of each family, all of them with PRUNESCOPE_EVERY=1."""

import os

from prunescope.study.architectures import ARCHITECTURES

SMALLEST = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t",
    "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18", "resnext50_32x4d",
    "shufflenet_v2_x0_5", "squeezenet1_0", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vgg11_bn", "vit_b_16",
    "wide_resnet50_2",
)  # fmt: skip
"""Larger variants differ from them in depth and width."""
TRIED = tuple(ARCHITECTURES) if os.environ.get("PRUNESCOPE_EVERY") else SMALLEST
IMAGES = {"alexnet": 64, "inception": 75, "maxvit": 224, "vit": 224}  # px, by the first part of the name; others: 32
LARGE_HEADS = ("vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn")  # vgg11 is tried with it


def image_size(name: str) -> int:
    """The side of the smallest square images that it takes."""
    return IMAGES.get(name.partition("_")[0], 32)


def head(name: str) -> str:
    return "compact" if name in LARGE_HEADS else "torchvision"
