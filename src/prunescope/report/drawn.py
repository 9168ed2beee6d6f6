"""The figures' PNG files: each carries what it was made from, so that one which would be the same is not drawn again."""

import hashlib
import io
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from prunescope.files import write_bytes
from prunescope.report.blocks import Picture, Plot

KEY = "prunescope"  # the text chunk of the PNG
COLOURS = 256


def write(figures: Sequence[Plot | Picture], folder: Path, kept: Path | None = None) -> None:
    """Write those that are not there as they would be, and remove what an earlier report left.

    kept: a folder for copies, where whoever asks for the report empties `folder` before, as DVC does; those of this report alone
    """
    for figure in figures:
        path, key = folder / figure.name, _key(figure)
        copy = None if kept is None else kept / figure.name
        if _key_of(path) != key:
            write_bytes(path, copy.read_bytes() if copy is not None and _key_of(copy) == key else _png(figure, key))
        if copy is not None and _key_of(copy) != key:
            write_bytes(copy, path.read_bytes())
    names = {figure.name for figure in figures}
    for path in (*folder.glob("*.png"), *(kept.glob("*.png") if kept is not None else ())):
        if path.name not in names:
            path.unlink()


def _key(figure: Plot | Picture) -> str:
    if isinstance(figure, Picture):
        return figure.key
    drawer = version("vl-convert-python")
    return hashlib.sha256(json.dumps([drawer, figure.drawing.whole()], sort_keys=True).encode()).hexdigest()


def _png(figure: Plot | Picture, key: str) -> bytes:
    """In few colours, which keeps it small. No time inside: the same numbers give the same bytes."""
    made = figure.png() if isinstance(figure, Picture) else figure.drawing.png()
    image = Image.open(io.BytesIO(made))
    if image.mode != "P":
        image = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    data, text = io.BytesIO(), PngInfo()
    text.add_text(KEY, key)
    image.save(data, format="PNG", optimize=True, pnginfo=text)
    return data.getvalue()


def _key_of(path: Path) -> str | None:
    """What a file says that it was made from; None where there is none that can be read."""
    try:
        with Image.open(path) as image:
            return image.info.get(KEY)
    except OSError:
        return None
