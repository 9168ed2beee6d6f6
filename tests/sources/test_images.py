"""Images: any size, mode and orientation becomes the same squares of RGB, however many workers there are."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from source_fakes import class_tree, encoded, picture, run, write_tree

from prunescope.sources import images
from prunescope.sources.images import fit
from prunescope.sources.listing import Listing


def square(image: Image.Image, size: int) -> np.ndarray:
    return fit(image, size)[0]


def test_the_number_of_workers_changes_no_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "CHUNK", (3, 1 << 20))
    write_tree(tmp_path / "mine", class_tree(form="JPEG"))
    kept = []
    for workers in (1, 2, 5):
        run("folder", tmp_path / f"{workers}", path=str(tmp_path / "mine"), workers=workers)
        kept.append({path.name: path.read_bytes() for path in (tmp_path / f"{workers}").iterdir()})
    assert kept[0] == kept[1] == kept[2] and len(kept[0]) == 5


def test_right_sizes_are_untouched_and_others_cut_then_averaged():
    image = picture(1)
    assert np.array_equal(square(image, 32), np.asarray(image))
    for size, smaller, box in (((60, 20), (30, 10), (10, 0, 20, 10)), ((20, 60), (10, 30), (0, 10, 10, 20))):
        whole = picture(2, size)
        assert np.array_equal(square(whole, 10), np.asarray(whole.resize(smaller, Image.Resampling.BILINEAR).crop(box)))
    checkers = np.indices((64, 64)).sum(0) % 2 * 255  # without a filter as wide as the scale this would alias
    grey = square(Image.fromarray(checkers.astype(np.uint8)), 8)
    assert np.abs(grey.astype(int) - 127).max() <= 2


def test_every_kind_of_image_becomes_rgb():
    red = np.full((4, 4, 3), (255, 0, 0), dtype=np.uint8)
    clear = Image.fromarray(np.dstack([red, np.repeat([[0, 255]], 4, axis=0).repeat(2, axis=1).astype(np.uint8)]))
    assert square(clear, 4)[0].tolist() == [[255, 255, 255]] * 2 + [[255, 0, 0]] * 2  # transparent is white
    for mode in ("P", "CMYK", "L", "1", "LA"):
        assert square(Image.fromarray(red).convert(mode), 4).shape == (4, 4, 3)
    assert square(Image.fromarray(red).convert("P"), 4)[0, 0].tolist() == [255, 0, 0]
    deep = Image.open(io.BytesIO(encoded(Image.fromarray(np.full((4, 4), 0xFF00, dtype=np.uint16)), "PNG")))
    assert (square(deep, 4) == 254).all()  # 65,280 / 257
    palette = Image.fromarray(red).convert("P")
    see_through = Image.open(io.BytesIO(encoded(palette, "PNG", transparency=palette.getpixel((0, 0)))))
    assert square(see_through, 4)[0, 0].tolist() == [255, 255, 255]
    stereo = Image.open(io.BytesIO(encoded(picture(1), "MPO", save_all=True, append_images=[picture(2)])))
    assert (
        getattr(stereo, "n_frames", 1) == 2 and np.abs(square(stereo, 32).astype(int) - np.asarray(picture(1))).mean() < 20
    )  # the first
    wide = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in (
            (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress((b"\0" + b"\x80\x00" * 6) * 2)),
            (b"IEND", b""),
        )
    )
    assert fit(Image.open(io.BytesIO(wide)), 2)[1] == ["16 bit"]
    with pytest.raises(ValueError, match="floating point"):
        square(Image.fromarray(np.zeros((4, 4), dtype=np.float32)), 4)


def test_a_turned_photograph_is_set_upright():
    image = picture(3)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = Image.open(io.BytesIO(encoded(image, "PNG", exif=exif)))
    assert np.array_equal(square(turned, 32), np.rot90(np.asarray(image), -1))


def test_too_many_pixels_are_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="32 x 32 pixels are too many"):
        square(picture(0), 32)


def test_so_many_pixels_are_decoded_at_one_time_and_no_more(tmp_path, monkeypatch):
    whole, now, most = images.fit, [], []

    def watched(image: Image.Image, size: int) -> tuple[np.ndarray, list[str]]:
        now.append(image.width * image.height)
        most.append(sum(now))
        time.sleep(0.002)
        try:
            return whole(image, size)
        finally:
            now.remove(image.width * image.height)

    monkeypatch.setattr(images, "CHUNK", (1, 1 << 20))
    monkeypatch.setattr(images, "fit", watched)
    write_tree(tmp_path / "mine", class_tree())  # 48 x 36 pixels each
    for room, wanted in ((1000, {1}), (2 * 48 * 36, {1, 2})):
        most.clear()
        monkeypatch.setattr(images, "ROOM", room)
        run("folder", tmp_path / "out", path=str(tmp_path / "mine"), workers=4)
        assert {pixels // (48 * 36) for pixels in most} == wanted


def test_a_chunk_is_bounded_in_bytes_too():
    def pieces(size: int) -> int:
        """Images that come at one time, of 300 of this size."""
        sizes: list[int] = []
        listing = Listing([f"{n}" for n in range(300)], [0] * 300, ["a"], [], lambda row: Image.new("RGB", (8, 8)))
        images.decode(listing, size, lambda start, block: sizes.append(len(block)), workers=1, title="test")
        assert sum(sizes) == 300
        return max(sizes)

    assert (pieces(8), pieces(512)) == (128, (32 << 20) // (3 * 512 * 512))
