"""Image files for a network: found, decoded as for training, with what is unlike the images that it was trained on."""

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prunescope.errors import PrunescopeError
from prunescope.networks.inputs import Inputs
from prunescope.sources.images import fit, open_image

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp", ".dcm", ".dicom"}  # looked for in folders
COLOUR = 1e-3  # of a channel's mean from another's: more, and the training images were in colour

KINDS = ("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # of DICOM; of YBR comes RGB
LARGE = 12_000_000  # pixels of an original beyond which it is decoded alone: with its conversions it may take 1.5 GB
_ALONE = threading.Lock()
FAR = 1e12  # beyond both ends of every window


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Files as they are given, and in place of a folder all images below it by name; hidden ones are left out. Those of DICOM are
    often called by a number alone, 1.2.840.113619.2.5, and known by their content.

    Raises PrunescopeError for what does not exist, and for a folder without images.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(file for file in path.rglob("*") if file.is_file())
            below = [file for file in below if not any(part.startswith(".") for part in file.relative_to(path).parts)]
            below = [file for file in below if file.suffix.lower() in SUFFIXES or _is_dicom(_begin(file))]
            if not below:
                raise PrunescopeError(
                    f"found no image in {path}, wanted DICOM or files that end in {', '.join(sorted(SUFFIXES))}"
                )
            found += below
        elif path.is_file():
            found.append(path)
        else:
            raise PrunescopeError(f"found nothing at {path}, wanted an image or a folder of images")
    once: dict[str, Path] = {}
    for path in found:
        once.setdefault(os.path.abspath(path), path)  # noqa: PTH100 - DVC links equal files to one
    return list(once.values())


def _begin(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(132)


def _is_dicom(content: bytes) -> bool:
    return content[128:132] == b"DICM"


def square(path: Path, inputs: Inputs) -> tuple[np.ndarray, str]:
    """One image as the network takes it, (S, S, 3) uint8, and a remark where it is unlike the training images, else "".

    ValueError says what is wrong with a file that cannot be taken.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of sizes that are refused here
        content = path.read_bytes()
        image = _of_dicom(content) if _is_dicom(content) else open_image(content)
        width, height = image.size
        with _ALONE if width * height > LARGE else contextlib.nullcontext():
            pixels, kinds = fit(image, inputs.image_size)
    remarks = [f"{kind}, taken as RGB" for kind in kinds if kind not in ("grayscale", "turned by EXIF")]
    if min(width, height) < inputs.image_size:
        remarks.append(f"only {width} x {height} pixels, enlarged to {inputs.image_size}")
    if max(width, height) > 2 * min(width, height):
        remarks.append(f"{width} x {height} pixels: only the centre square is seen")
    grey = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
    coloured = max(inputs.mean) - min(inputs.mean) > COLOUR
    if grey and coloured:
        remarks.append("grey, and the training images are in colour")
    if not grey and not coloured:
        remarks.append("in colour, and the training images are grey")
    return pixels, "; ".join(remarks)


def _of_dicom(content: bytes) -> Image.Image:
    """A DICOM file's picture with its own window, white as the file means it; 8 bits."""
    try:
        import pydicom
        from pydicom.errors import InvalidDicomError
        from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
    except ImportError as error:
        raise ValueError("it is a DICOM file, which needs pydicom: pip install 'prunescope[dicom]'") from error
    try:
        data = pydicom.dcmread(io.BytesIO(content))
        _require_one_picture(data)
        pixels = data.pixel_array
        if pixels.ndim == 3:
            return Image.fromarray(_of_8_bits(pixels))
        values = apply_voi_lut(apply_modality_lut(pixels, data), data).astype(np.float64)
        low, high = _black_and_white(data, values)
    except (AttributeError, KeyError, NotImplementedError, RuntimeError, TypeError, InvalidDicomError) as error:
        raise ValueError(f"it is a DICOM file that pydicom does not read: {error}") from error
    scaled = (values - low) / max(high - low, 1e-9)
    if data.get("PhotometricInterpretation") == "MONOCHROME1":  # its smallest value is white
        scaled = 1 - scaled
    return Image.fromarray(np.rint(255 * scaled).astype(np.uint8))


def _require_one_picture(data: Any) -> None:
    """ValueError for what is refused before its pixels are unpacked: a small file may hold gigabytes of them."""
    if (frames := int(data.get("NumberOfFrames") or 1)) > 1:
        raise ValueError(f"it has {frames} frames, wanted one image a file")
    if data.Rows * data.Columns > (Image.MAX_IMAGE_PIXELS or 1 << 27):
        raise ValueError(f"{data.Columns} x {data.Rows} pixels are too many")
    kind = str(data.PhotometricInterpretation)
    if kind not in KINDS:  # numbers of a palette are no brightness
        raise ValueError(f"it is a DICOM file of {kind}, wanted one of {', '.join(KINDS)}")


def _black_and_white(data: Any, values: np.ndarray) -> tuple[float, float]:
    """What is shown black and white: the ends of the file's table or window; without either, those of the image.

    Not always those of the image: one that uses the middle of its window alone would get another contrast than its neighbour.
    """
    from pydicom.pixels.processing import apply_voi_lut

    table: Any = next(iter(data.get("VOILUTSequence") or ()), {})
    if table.get("LUTDescriptor") and table.get("LUTData"):
        count, first, _ = table.LUTDescriptor
        values = apply_voi_lut(np.arange(first, first + (count or 1 << 16)), data)
    elif None not in (data.get("WindowCenter"), data.get("WindowWidth")):
        with np.errstate(over="ignore"):  # of a sigmoid
            values = apply_voi_lut(np.array([-FAR, FAR]), data)
    return float(values.min()), float(values.max())


def _of_8_bits(pixels: np.ndarray) -> np.ndarray:
    """Colour, which pydicom gives as RGB; ValueError for what has not 8 bits."""
    if pixels.dtype != np.uint8:
        raise ValueError(f"it is a DICOM file of colour with {pixels.dtype} values, wanted 8 bits")
    return pixels
