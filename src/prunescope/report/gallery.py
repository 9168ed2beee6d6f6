"""The images that pruning loses, to look at: right by the dense control, wrong by every pruned network of the same seed.

The page holds pictures of the data set. It is for this machine: most data sets' licences forbid passing their images on.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from prunescope.errors import PrunescopeError
from prunescope.evidence.classes import lost_images
from prunescope.figures.look import house_style
from prunescope.files import write_text
from prunescope.report.blocks import Block, Image, Section, Text, to_html
from prunescope.results.grid import Cell, cells_of
from prunescope.results.results import Results

SHOWN = 24  # images of a cell, those first that most seeds lose
COLUMNS = 4
TITLE = "What pruning loses"


def write_all(results: Results, asked: Sequence[str], read: Callable[[Path], Any]) -> Iterator[Path]:
    """Write gallery/<data set>.html of those asked for, else of all, and give each; `read` opens a prepared store.

    Raises PrunescopeError for a data set that is none of the study's, or is not prepared.
    """
    datasets = asked or results.grid.datasets
    if strange := [name for name in datasets if name not in results.grid.datasets]:
        raise PrunescopeError(f"found data set {strange[0]}, wanted one of study.datasets: {', '.join(results.grid.datasets)}")
    for dataset in datasets:
        folder = Path("prepared", dataset)
        if not folder.exists():
            raise PrunescopeError(f"found no {folder}, wanted the prepared data set; make it with: dvc repro download@{dataset}")
        store = read(folder)
        places = {name: place for place, name in enumerate(store.names)}
        licence, page = str(store.provenance.get("licence") or ""), Path("gallery", f"{dataset}.html")
        write(results, dataset, page, image=lambda name: store.images[places[name]], licence=licence)  # noqa: B023 - used at once
        yield page


def write(results: Results, dataset: str, out: Path, *, image: Callable[[str], NDArray], licence: str) -> None:
    """Write the page of a data set. `image(name)` gives a test image (H, W, 3) uint8; `licence` is the data set's, or empty.

    Raises PrunescopeError where no seed of any of its cells has predictions of the dense control and of all methods.
    """
    cells = [cell for cell in cells_of(results.grid) if cell.dataset == dataset]
    if not any(len(lost_images(results, cell).columns) for cell in cells):
        raise PrunescopeError(
            f"{dataset}: found no seed with predictions of dense and of {', '.join(results.grid.methods)} under "
            f"{results.files.path('evaluate')}, wanted one at least; make them with: dvc repro selected"
        )
    about = f"{dataset}: test images that the dense control gets right and every pruned network of the same seed gets wrong"
    warning = f"Only for this machine{f' ({licence})' if licence else ''}: do not publish or commit this page."
    sections = [Section("Mind", [Text(warning)])]
    for cell in cells:
        sections.append(Section(f"{cell.model}, {cell.sparsity * 100:g} % sparse", list(_blocks(results, cell, image))))
    write_text(out, to_html(TITLE, about, sections))


def _blocks(results: Results, cell: Cell, image: Callable[[str], NDArray]) -> Iterator[Block]:
    lost = lost_images(results, cell)
    if not len(lost.columns):
        yield Text("Not run.")
        return
    shown = lost.head(SHOWN)
    yield Text(f"Images that are lost in at least one seed: {len(lost):,}, of which {len(shown)} are shown.")
    if len(shown):
        names = ", ".join(f"{name} ({actual})" for name, actual in zip(shown["name"], shown["actual"], strict=True))
        caption = (
            "Above each image its class, and how many seeds lose it; below what each method took it for, in the first of those."
        )
        sheet = _sheet(shown, results.grid.methods, image)
        yield Image(sheet, f"Test images: {names}.", caption)


def _sheet(lost: pd.DataFrame, methods: Sequence[str], image: Callable[[str], NDArray]) -> bytes:
    lines = -(-len(lost) // COLUMNS)
    with house_style():
        tall = 2.4 + 0.16 * len(methods)
        figure = Figure(figsize=(2.3 * COLUMNS, tall * lines + 0.2), layout="constrained", dpi=120)
        grid = figure.subplots(lines, COLUMNS, squeeze=False)
        for axis in grid.flat:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        for axis, (_, row) in zip(grid.flat, lost.iterrows(), strict=False):
            axis.imshow(image(row["name"]), interpolation="nearest")
            axis.set_title(f"{row['actual']} ({row['seeds']} of {row['ran']})", fontsize=9, weight="bold")
            says = "\n".join(f"{method}: {row[method]}" for method in methods)
            axis.set_xlabel(says, fontsize=8)
        data = io.BytesIO()
        canvas = FigureCanvasAgg(figure)
        canvas.print_png(data, metadata={"Software": None})
    return data.getvalue()
