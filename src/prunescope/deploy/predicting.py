"""What a network says of image files: class and probabilities, file by file, in bounded memory."""

import csv
import io
import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from prunescope.deploy.loading import Network
from prunescope.deploy.pictures import square
from prunescope.evaluation.metrics import decide

SHOWN = 3  # most probable classes in the table
UNDECIDED = "undecided"  # where two classes share the highest output


@dataclass(frozen=True)
class Said:
    """Of one file: the class, each class's probability, a remark, and what is wrong where it could not be read."""

    path: Path
    predicted: str
    probabilities: tuple[float, ...]
    remark: str
    error: str = ""


def predict(
    network: Network, paths: Sequence[Path], *, device: torch.device, batch_size: int = 64, workers: int = 4
) -> Iterator[Said]:
    """Of each path in turn. A file that cannot be read gets its error and stops no other.

    network: of `loading.load` · workers: threads that decode
    """
    network = network.to(device)
    inputs, classes = network.preprocess.inputs, (*network.classes, UNDECIDED)
    Image.init()  # loads Pillow's plugins here and not in many threads at once
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), batch_size):
            chosen = paths[start : start + batch_size]
            read = list(pool.map(lambda path: _read(path, inputs), chosen))
            squares = [pixels for pixels, _, error in read if not error]
            answers = iter(())
            if squares:
                with torch.inference_mode():
                    logits = network(network.preprocess.of_squares(np.stack(squares)).to(device)).float().cpu()
                answers = zip(decide(logits).tolist(), logits.double().softmax(1).tolist(), strict=True)
            for path, (_, remark, error) in zip(chosen, read, strict=True):
                if error:
                    yield Said(path, "", (), "", error)
                else:
                    number, probabilities = next(answers)
                    yield Said(path, classes[number], tuple(probabilities), remark)


def _read(path: Path, inputs: Any) -> tuple[np.ndarray, str, str]:
    try:
        pixels, remark = square(path, inputs)
    except Exception as error:  # decoders raise whatever they like on broken bytes
        return np.empty(0), "", str(error).rstrip(".") or type(error).__name__
    return pixels, remark, ""


def as_table(found: Iterable[Said], classes: Sequence[str]) -> Iterator[str]:
    """For the eye: file, class, the most probable classes in percent, remark."""
    rows = [("file", "class", "probability", "remark")]
    for said in found:
        order = np.argsort(said.probabilities)[::-1][:SHOWN] if said.probabilities else ()
        most = ", ".join(f"{classes[number]} {said.probabilities[number]:.1%}" for number in order)
        rows.append((str(said.path), said.predicted or "-", most, f"cannot be read: {said.error}" if said.error else said.remark))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()


def as_csv(found: Iterable[Said], classes: Sequence[str]) -> Iterator[str]:
    """A line a file: file, class, remark, error, and a column `p_<class>` a class, fractions."""
    yield _csv_line(["file", "class", "remark", "error", *(f"p_{name}" for name in classes)])
    for said in found:
        yield _csv_line([said.path, said.predicted, said.remark, said.error, *(said.probabilities or [""] * len(classes))])


def as_json(found: Iterable[Said], classes: Sequence[str]) -> Iterator[str]:
    """A list with an object a file; probabilities by class."""
    before = "["
    for said in found:
        row = {
            "file": str(said.path),
            "class": said.predicted or None,
            "probabilities": dict(zip(classes, said.probabilities, strict=False)),
            "remark": said.remark or None,
            "error": said.error or None,
        }
        yield before
        before = textwrap.indent(json.dumps(row, indent=2, ensure_ascii=False), "  ") + ","
    yield before.removesuffix(",")
    yield "]"


def _csv_line(cells: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


FORMS = {"table": as_table, "csv": as_csv, "json": as_json}
"""Each gives lines; all but the table, which has to know its widths, as they come."""
