"""Images that cannot be read, or not without guessing."""

import gzip
import zlib

import numpy as np
from hostile import cut, flipped, frames, of_array, one_image, png
from PIL import Image
from source_fakes import encoded, picture

PNG = encoded(picture(5), "PNG")
JPEG = encoded(picture(5), "JPEG")
TEXT_BOMB = (b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * (1 << 26)))
HUGE_JPEG = JPEG.replace(b"\x00\x20\x00\x20", b"\xff\xdc\xff\xdc", 1)  # height and width in its frame header

CASES = {
    "JPEG cut in its header": one_image(cut("JPEG", 0.1), "Truncated File Read", "jpg"),
    "JPEG cut in its pixels": one_image(cut("JPEG", 0.7), "truncated", "jpg"),
    "JPEG filled up with zeros": one_image(cut("JPEG", 0.7) + bytes(900), "the JPEG has no end", "jpg"),
    "PNG cut in its pixels": one_image(cut("PNG", 0.7), "truncated"),
    "GIF cut in its pixels": one_image(cut("GIF", 0.7), "truncated", "gif"),
    "WebP cut in its pixels": one_image(cut("WEBP", 0.7, lossless=True), "", "webp"),
    "TIFF cut in its pixels": one_image(cut("TIFF", 0.7), "", "tiff"),
    "BMP cut in its pixels": one_image(cut("BMP", 0.7), "truncated", "bmp"),
    "PPM cut in its pixels": one_image(cut("PPM", 0.7), "", "ppm"),
    "PNG of a hundred million pixels": one_image(png(10_000, 10_000), "10000 x 10000 pixels are too many"),
    "PNG bomb": one_image(png(60_000, 60_000), "exceeds limit"),
    "JPEG bomb": one_image(HUGE_JPEG, "exceeds limit", "jpg"),
    "PNG with a bomb of text": one_image(png(32, 32, TEXT_BOMB), "[Dd]ecompressed data too large"),
    "PNG without pixels": one_image(png(0, 5), "broken PNG"),
    "PNG with wrong checksum": one_image(flipped(PNG, PNG.index(b"IHDR") + 6), "broken PNG"),
    "PNG with wrong pixels": one_image(flipped(PNG, PNG.index(b"IDAT") + 6), ""),
    "empty file": one_image(b"", "the file is empty", "jpg"),
    "zeros": one_image(bytes(512), r"begins with b'\\x00"),
    "text": one_image(b"hello", "begins with b'hello', wanted an image as BMP", "jpg"),
    "web page": one_image(b"<!DOCTYPE html><p>404", "SVG or XML", "jpg"),
    "SVG": one_image(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG or XML", "svg"),
    "PDF": one_image(b"%PDF-1.7\n", "it is a PDF", "jpg"),
    "DICOM": one_image(bytes(128) + b"DICM" + bytes(64), "it is a DICOM file", "dcm"),
    "HEIC": one_image(b"\0\0\0\x18ftypheic" + bytes(64), "it is a HEIC", "heic"),
    "Photoshop": one_image(b"8BPS" + bytes(64), "it is a Photoshop file", "psd"),
    "PostScript, which Pillow would run": one_image(encoded(picture(0), "EPS"), "it is a PostScript file"),
    "archive in the archive": one_image(b"PK\x03\x04" + bytes(64), "it is a zip archive", "zip"),
    "gzip": one_image(gzip.compress(PNG, mtime=0), "it is a gzip archive", "png"),
    "animated GIF": one_image(frames("GIF"), "3 frames or pages", "gif"),
    "animated PNG": one_image(frames("PNG"), "3 frames or pages"),
    "animated WebP": one_image(frames("WEBP"), "3 frames or pages", "webp"),
    "TIFF of several pages": one_image(frames("TIFF"), "3 frames or pages", "tiff"),
    "TIFF of floating point numbers": one_image(of_array(np.ones((9, 9), np.float32), "TIFF"), "floating point", "tiff"),
    "TIFF of 32-bit numbers": one_image(of_array(np.full((9, 9), 1 << 20, np.int32), "TIFF"), "unknown range", "tiff"),
    "TIFF of 32-bit numbers below 256": one_image(of_array(np.full((9, 9), 200, np.int32), "TIFF"), "unknown range", "tiff"),
    "PNG of 12 bits in 16": one_image(of_array(np.full((9, 9), 4000, np.uint16), "PNG"), "no value above 4,000: scale it"),
    "PNG of 16 bits with a transparent value": one_image(
        encoded(Image.fromarray(np.full((9, 9), 50_000, np.uint16)), "PNG", transparency=500), "with a transparent value"
    ),
    "TIFF of negative numbers": one_image(of_array(np.full((9, 9), -5, np.int32), "TIFF"), "unknown range", "tiff"),
}
