"""Images of any kind, size and mode become squares of RGB, many at a time, in bounded memory."""

import concurrent.futures
import contextlib
import ctypes
import hashlib
import io
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from prunescope.errors import PrunescopeError
from prunescope.sources.bar import progress
from prunescope.sources.listing import Listing

CHUNK = 128, 32 << 20  # what a worker decodes in one go: images at most, and bytes of squares at most
ROOM = 48_000_000  # pixels of originals that are decoded at one time, of all workers: half a gigabyte with their conversions
WORKERS = 16  # threads at most: each holds a chunk of squares, an encoded file and what its decoder takes
NAMED = 10  # broken images that an error lists
# Named, as Pillow would start foreign programs for some other formats (PostScript).
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
OTHERS = {  # what files that Pillow does not take as one of these begin with: (offset, bytes)
    "a broken JPEG image": (0, b"\xff\xd8"),
    "a broken PNG image": (0, b"\x89PNG"),
    "a broken GIF image": (0, b"GIF8"),
    "a broken BMP image": (0, b"BM"),
    "a broken WebP image": (8, b"WEBP"),
    "a broken TIFF image": (0, b"II*\0"),
    "a zip archive": (0, b"PK"),
    "a gzip archive": (0, b"\x1f\x8b"),
    "a PDF": (0, b"%PDF"),
    "a DICOM file": (128, b"DICM"),
    "a HEIC or AVIF image, or a video": (4, b"ftyp"),
    "an SVG or XML file": (0, b"<"),
    "a PostScript file": (0, b"%!PS"),
    "a Photoshop file": (0, b"8BPS"),
}
# The triangle filter, which Pillow widens to the scale (a weighted area mean): unlike LANCZOS it cannot ring, unlike
# BOX it shifts no edges at uneven scales, and torchvision's transforms, with which ImageNet weights were made, use it.
RESIZED = "shorter side to image_size by Pillow's antialiased bilinear filter, centre square; right sizes are untouched"


@dataclass
class Decoded:
    """What decoding tells of N images beside their pixels."""

    converted: Counter[str] = field(default_factory=Counter)  # kind -> images that were not plain upright RGB
    pixels: list[bytes] = field(default_factory=list)  # digest of each square
    files: list[tuple[int, str]] = field(default_factory=list)  # (bytes, sha256) of each image that lies loose


def decode(listing: Listing, size: int, put: Callable[[int, np.ndarray], None], *, workers: int, title: str) -> Decoded:
    """Decode all images of `listing`, in parallel, and give them as squares to `put(first row, (n, size, size, 3) uint8)`.

    `put` is called from many threads. Images that lie loose are hashed too. All images are tried before PrunescopeError
    names those that cannot be read.
    """
    count = len(listing.names)
    step = max(1, min(CHUNK[0], CHUNK[1] // (3 * size * size)))
    decoded = Decoded(pixels=[b""] * count, files=[(0, "")] * count)
    broken: dict[int, str] = {}
    room = _Room(ROOM)

    def work(start: int) -> tuple[int, Counter[str]]:
        rows = range(start, min(start + step, count))
        block = np.zeros((len(rows), size, size, 3), dtype=np.uint8)
        kinds: Counter[str] = Counter()
        for row in rows:
            try:
                found = listing.read(row)
                if isinstance(found, bytes) and listing.loose and listing.loose[row]:
                    decoded.files[row] = (len(found), hashlib.sha256(found).hexdigest())
                image = open_image(found) if isinstance(found, bytes) else found
                with room.of(image.width * image.height):
                    block[row - start], of_image = fit(image, size)
                kinds.update(of_image)
            except Exception as error:  # decoders raise whatever they like on broken bytes
                broken[row] = f"{(listing.places or listing.names)[row]}: {str(error).rstrip('.') or type(error).__name__}"
            decoded.pixels[row] = hashlib.blake2b(block[row - start], digest_size=16).digest()
        if not broken:
            put(start, block)
        return len(rows), kinds

    _return_memory()
    Image.init()  # loads Pillow's plugins here and not in many threads at once
    # Threads suffice: decoding, resizing and unzipping release the interpreter's lock, and nothing has to be sent.
    with (
        warnings.catch_warnings(),
        concurrent.futures.ThreadPoolExecutor(min(workers, WORKERS)) as pool,
        progress(title, count, "images") as bar,
    ):
        warnings.simplefilter("ignore")  # Pillow's, of sizes that are refused here and of oddities that it mends
        for done, kinds in pool.map(work, range(0, count, step)):
            decoded.converted += kinds
            bar(done)
    if broken:
        named = "; ".join(broken[row] for row in sorted(broken)[:NAMED]) + ("; ..." if len(broken) > NAMED else "")
        raise PrunescopeError(f"cannot read {len(broken):,} of {count:,} images: {named}. Replace or remove them.")
    return decoded


def fit(image: Image.Image, size: int) -> tuple[np.ndarray, list[str]]:
    """Return the centre square of an image, upright, as RGB on white, at `size` pixels, and in what it was not plain RGB.

    The square is (size, size, 3) uint8. ValueError for what has more pixels than Pillow's limit, several frames, or
    values of unknown range.
    """
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or 1 << 27):
        raise ValueError(f"{image.width} x {image.height} pixels are too many")
    if (frames := getattr(image, "n_frames", 1)) > 1 and image.format != "MPO":  # a photograph with its preview
        raise ValueError(f"it has {frames} frames or pages, wanted one image a file")
    kinds = _kinds(image)
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip it at 255
        image = _of_16_bits(image)
    elif image.mode == "F":
        raise ValueError("its pixels are floating point numbers of unknown range")
    elif image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("RGB")
    if image.size != (size, size):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.asarray(image), kinds


def _of_16_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as grey of 8; ValueError where white is not at 65,535, so far as one can see."""
    if image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise ValueError("its pixels are 32-bit numbers of unknown range")
    if "transparency" in image.info:
        raise ValueError("it is grey of 16 bits with a transparent value; save it with 8 bits")
    values = np.asarray(image)
    if 0 < values.max() < 4096:
        raise ValueError(f"it has 16 bits, but no value above {values.max():,}: scale it to 0..65,535, or save it with 8 bits")
    return Image.fromarray((values // 257).astype(np.uint8))


def open_image(content: bytes) -> Image.Image:
    """Open an encoded image, lazily, if its format is one of FORMATS; ValueError says what it is otherwise."""
    if not content:
        raise ValueError("the file is empty")
    if content.startswith(b"\xff\xd8") and content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise ValueError("the JPEG has no end: truncated, or filled up with zeros")  # Pillow would guess the rest
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        what = next((name for name, (at, begin) in OTHERS.items() if content.startswith(begin, at)), None)
        found = f"it is {what}" if what else f"it begins with {content[:8]!r}"
        raise ValueError(f"{found}, wanted an image as {', '.join(FORMATS)}") from error


def _kinds(image: Image.Image) -> list[str]:
    """In what an image is not plain upright RGB of 8 bits."""
    modes = {"1": "grayscale", "L": "grayscale", "LA": "grayscale", "I": "grayscale", "P": "palette", "PA": "palette"}
    mode = "grayscale" if image.mode.startswith("I;") else modes.get(image.mode, image.mode)
    return [
        *([mode] if mode not in ("RGB", "RGBA") else []),
        *(["transparency"] if image.has_transparency_data else []),
        *(["16 bit"] if image.mode.startswith("I") or ";16" in repr(getattr(image, "tile", "")) else []),
        *(["turned by EXIF"] if image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9) else []),
    ]


def _return_memory() -> None:
    """Have glibc give large blocks back at once: each thread would keep those that its largest image took."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(-3, 1 << 20)  # M_MMAP_THRESHOLD, bytes


class _Room:
    """Admits so many pixels at one time, and a single larger image alone."""

    def __init__(self, limit: int):
        self.limit, self.used, self.changed = limit, 0, threading.Condition()

    @contextlib.contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        with self.changed:
            self.changed.wait_for(lambda: self.used == 0 or self.used + pixels <= self.limit)
            self.used += pixels
        try:
            yield
        finally:
            with self.changed:
                self.used -= pixels
                self.changed.notify_all()
