"""From a finished network to a file that a runtime takes, compared with torch on real images before it is written."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunescope.deploy.graph import OPSET, RESIZING, bf16_graph, float_graph, logits_of, session
from prunescope.deploy.loading import Network
from prunescope.deploy.quantising import int8_graph, require_zeros
from prunescope.errors import PrunescopeError
from prunescope.evaluation.metrics import decide

FORMATS = ("fp32", "bf16", "int8")
BATCH = 32
CLOSE = 1e-3  # of the largest logit: what float32 in another order may differ by
HALF = 0.5  # agreement below which a rounded network is another network


@dataclass(frozen=True)
class Squares:
    """Real images: squares (N, S, S, 3) uint8 as decoded, and their labels (N,) where they are known."""

    pixels: np.ndarray
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class Compared:
    """A file beside torch on the same images: largest difference of logits, share of equal decisions, accuracies if known;
    constant: it says one class of all images where torch says several; alone: torch itself says one class of all."""

    images: int
    difference: float
    agreement: float
    accuracy: tuple[float, float] | None
    constant: bool = False
    alone: bool = False

    def __str__(self) -> str:
        said = f"{self.images:,} images: largest difference of logits {self.difference:.2g}, same class for {self.agreement:.1%}"
        said += "; they are all of one class here, and tell little" if self.alone and self.images > 1 else ""
        return said + (f", accuracy {self.accuracy[0]:.1%} in torch and {self.accuracy[1]:.1%} here" if self.accuracy else "")


def export(
    network: Network, path: Path, images: Squares, *, form: str = "fp32", inside: bool = False, opset: int = OPSET,
    calibration: np.ndarray | None = None,
) -> Compared:  # fmt: skip
    """Write `network` (of `loading.load`) as an ONNX file, and beside it as .json what goes into it where not `inside`.

    form: fp32; bf16 (weights stored so, computed in float32); int8 (static, calibrated on the squares `calibration`).
    Raises PrunescopeError, and writes nothing, where the file does not do on `images` what torch does.
    """
    from prunescope.files import write_bytes, write_json

    model = converted(float_graph(network, inside=inside, opset=opset), form, network, calibration, inside=inside)
    data = model.SerializeToString()
    found = compare(network, data, images, inside=inside)
    require_alike(found, form, scale=_scale(network, images))
    write_bytes(path, data)
    beside = path.with_suffix(".json")
    if inside and _is_ours(beside):  # of an earlier export: it would say that this graph wants normalised images
        beside.unlink()
    if not inside:
        inputs = network.preprocess.inputs
        write_json(beside, {"input": "(N, 3, S, S) float32, (pixel / 255 - mean) / std", "resizing": RESIZING} | inputs.as_dict())
    return found


def require_place(path: Path, *, inside: bool) -> None:
    """Raise PrunescopeError where the .json that goes beside a file would replace one of something else."""
    beside = path.with_suffix(".json")
    if not inside and beside.exists() and not _is_ours(beside):
        raise PrunescopeError(
            f"found {beside}, which is of no export, wanted to write there how images are normalised for {path}: choose another "
            "name, or --preprocessing inside"
        )


def _is_ours(path: Path) -> bool:
    try:
        return {"input", "resizing", "mean"} <= set(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return False


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, evenly spread."""
    chosen = min(count, most)
    return [place * count // chosen for place in range(chosen)]


def converted(model: Any, form: str, network: Network, calibration: np.ndarray | None, *, inside: bool = False) -> Any:
    """A float graph in another format. Raises PrunescopeError where a removed weight is not zero in it."""
    if form == "int8":
        if calibration is None or not len(calibration):
            raise PrunescopeError("int8 needs training images to calibrate on: found none")
        model = int8_graph(model, _batches(network, calibration, inside=inside))
    elif form == "bf16":
        model = bf16_graph(model)
    elif form != "fp32":
        raise PrunescopeError(f"found format {form!r}, wanted one of {', '.join(FORMATS)}")
    for entry in model.metadata_props:
        entry.value = form if entry.key == "prunescope.values" else entry.value
    require_zeros(model, network.masks)
    return model


def compare(network: Network, model: bytes, images: Squares, *, inside: bool) -> Compared:
    """Run both on the same images."""
    theirs = logits_of(session(model), _batches(network, images.pixels, inside=inside))
    ours = _of_torch(network, images)
    mine, other = decide(ours), decide(theirs)
    right = None
    if images.labels is not None:
        labels = torch.from_numpy(images.labels)
        right = float((mine == labels).double().mean()), float((other == labels).double().mean())
    said = len(mine.unique())
    constant = len(other.unique()) == 1 < said
    return Compared(
        len(mine), float((ours - theirs).abs().max()), float((mine == other).double().mean()), right, constant, said == 1
    )


def require_alike(found: Compared, form: str, *, scale: float) -> None:
    """Raise PrunescopeError where float32 differs by more than rounding, or a rounded network decides otherwise too often."""
    if form == "fp32" and not found.difference <= CLOSE * max(scale, 1.0):
        raise PrunescopeError(f"the exported file does not do what torch does, and was not written. On {found}")
    if found.constant or not found.agreement >= HALF:
        raise PrunescopeError(f"the {form} file is another network than the one in torch, and was not written. On {found}")


def _scale(network: Network, images: Squares) -> float:
    return float(_of_torch(network, Squares(images.pixels[:BATCH])).abs().max())


def _of_torch(network: Network, images: Squares) -> Tensor:
    with torch.inference_mode():
        return torch.cat([network(batch) for batch in _batches(network, images.pixels, inside=False)])


def _batches(network: Network, pixels: np.ndarray | Sequence, *, inside: bool) -> Iterator[Tensor]:
    for start in range(0, len(pixels), BATCH):
        part = np.ascontiguousarray(pixels[start : start + BATCH])
        yield torch.from_numpy(part) if inside else network.preprocess.of_squares(part)


def metadata(path: Path) -> dict[str, Any]:
    """What an exported file says of itself."""
    import onnx

    found = {entry.key.removeprefix("prunescope."): entry.value for entry in onnx.load(path).metadata_props}
    return {key: json.loads(value) if key in ("classes", "mean", "std", "about", "image_size") else value
            for key, value in found.items()}  # fmt: skip
