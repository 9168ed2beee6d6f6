"""Images of any kind, size and mode become squares of RGB, many at a time."""

import concurrent.futures
import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from prunescope.data.fetch import progress
from prunescope.data.listing import Listing
from prunescope.errors import PrunescopeError

CHUNK = 128  # images a worker decodes in one go
# Named, as Pillow would start foreign programs for some other formats (PostScript).
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# The triangle filter, which Pillow widens to the scale (a weighted area mean): unlike LANCZOS it cannot ring, unlike
# BOX it shifts no edges at uneven scales, and torchvision's transforms, with which ImageNet weights were made, use it.
RESIZED = "shorter side to image_size by Pillow's antialiased bilinear filter, centre square; right sizes are untouched"


def fill_(array: np.ndarray, listing: Listing, *, workers: int, title: str) -> None:
    """Decode all images of `listing` into `array`, (N, size, size, 3) uint8, in place and in parallel."""

    def work(start: int) -> int:
        rows = range(start, min(start + CHUNK, len(array)))
        for row in rows:
            try:
                array[row] = fit(listing.load(row), array.shape[1])
            except Exception as error:  # decoders raise whatever they like on broken bytes
                place = (listing.places or listing.names)[row]
                raise PrunescopeError(f"cannot read the image {place}: {error}. Replace it or remove it.") from error
        return len(rows)

    Image.init()  # loads Pillow's plugins here and not in many threads at once
    # Threads suffice: decoding, resizing and unzipping release the interpreter's lock, and nothing has to be sent.
    with concurrent.futures.ThreadPoolExecutor(workers) as pool, progress(title, len(array), "images") as advance:
        for done in pool.map(work, range(0, len(array), CHUNK)):
            advance(done)


def fit(image: Image.Image, size: int) -> np.ndarray:
    """Return the centre square of an image, upright, as RGB on white, at `size` pixels: (size, size, 3) uint8."""
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or 1 << 27):
        raise ValueError(f"{image.width} x {image.height} pixels are too many")
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip it at 255
        image = Image.fromarray((np.clip(np.asarray(image).astype(np.int64), 0, 65535) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("its pixels are floating point numbers of unknown range")
    elif image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("RGB")
    if image.size != (size, size):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.asarray(image)


def open_image(content: Callable[[], bytes]) -> Image.Image:
    """Open the image whose encoded bytes `content` returns, lazily, if its format is one of FORMATS."""
    return Image.open(io.BytesIO(content()), formats=FORMATS)
