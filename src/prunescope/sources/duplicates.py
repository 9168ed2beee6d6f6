"""The same pixels more than once: a test on an image that was trained on measures memory."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from prunescope.data.splits import SPLITS


def duplicates(pixels: Sequence[bytes], labels: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
    """Count images that are equal after preparation, by the digests (N) of their pixels.

    duplicate_images: those that equal an earlier one; duplicates_across_splits: images of val and test that equal one of
    another split; duplicates_across_classes: images that equal one of another class.
    """
    _, number, sizes = np.unique(np.array(pixels), return_inverse=True, return_counts=True)
    splits, classes = (_kinds(number, values) for values in (codes, labels))
    held_out = codes != SPLITS.index("train")
    return {
        "duplicate_images": int((sizes - 1).sum()),
        "duplicates_across_splits": int((held_out & (splits[number] > 1)).sum()),
        "duplicates_across_classes": int((classes[number] > 1).sum()),
    }


def _kinds(number: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How many different values each numbered set of images has."""
    pairs = np.unique(np.stack([number, values.astype(np.int64)]), axis=1)
    return np.bincount(pairs[0])


def warn(source: str, found: dict[str, Any]) -> None:
    """Say on stderr what about duplicates endangers a result."""
    if across := found["duplicates_across_splits"]:
        print(
            f"warning: {source}: {across:,} images of val and test have the same pixels as one of another split: what they "
            "measure is memory. In your own data give equal images one group (a table with the column group), or remove them.",
            file=sys.stderr,
        )
    if across := found["duplicates_across_classes"]:
        print(f"warning: {source}: {across:,} images have the same pixels as one of another class.", file=sys.stderr)
