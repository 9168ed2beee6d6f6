"""What a drawing shows, read from its specification: the rows of a layer, its axes."""

from typing import Any

import pandas as pd

from prunescope.figures.drawing import Drawing


def layers(drawing: Drawing, panel: int = 0) -> list[dict[str, Any]]:
    """Each layer of a panel: mark, encoding, and its rows as a table."""
    spec = drawing.specs()[panel]

    def data(of: dict[str, Any]) -> dict[str, Any]:
        return of.get("data") or spec["data"]  # one that all layers share stands above them

    return [
        {
            "mark": of["mark"]["type"],
            "encoding": of["encoding"],
            "look": of["mark"],
            "rows": pd.DataFrame(data(of).get("values") or spec["datasets"][data(of)["name"]]),
        }
        for of in spec["layer"]
    ]


def rows(drawing: Drawing, mark: str, panel: int = 0, number: int = 0) -> pd.DataFrame:
    """Of the layer of this mark, the number-th of its kind."""
    return [of["rows"] for of in layers(drawing, panel) if of["mark"] == mark][number]


def titles(drawing: Drawing) -> list[str]:
    return [panel.title for panel in drawing.panels]
