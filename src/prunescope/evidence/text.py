"""Numbers as text: percent at one decimal, means with their spread, a row per model, data set and arm."""

from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from prunescope.results.grid import Cell, Grid, controls

Arms = Callable[[Grid, str], Sequence[tuple[str, float]]]
NOT_RUN = "not run"
NOTHING = "–"


def percent(values: pd.Series) -> str:
    """Mean ± sample standard deviation in percent, one decimal; without ± for a single value; – for none."""
    return spread(values * 100, ".1f")


def spread(values: pd.Series, form: str = ".1f") -> str:
    """Mean ± sample standard deviation; without ± for a single value; – for none."""
    error = f" ± {values.std(ddof=1):{form}}" if values.count() > 1 else ""
    return mean(values, form) + error


def mean(values: pd.Series, form: str = ",.0f", unit: str = "") -> str:
    """The mean alone, by default of a count with thousands separated; – for none."""
    values = values.dropna()
    return NOTHING if values.empty else f"{values.mean():{form}}{unit}"


def counts(values: Sequence[int]) -> str:
    """How many runs the cells of a row have: 3, or 1–3 where they differ; 0 for none."""
    low, high = min(values, default=0), max(values, default=0)
    return str(low) if low == high else f"{low}–{high}"


def millions(values: pd.Series, form: str = ",.3f") -> str:
    return mean(values / 1e6, form)


def ends(values: Iterable[float], form: str) -> str:
    """The smallest to the largest; once where both read alike."""
    known = list(values)
    low, high = (f"{round(float(value), 6) + 0:{form}}".replace("-", "−") for value in (min(known), max(known)))
    return low if low == high else f"{low} to {high}"


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def places(cells: Iterable[Cell]) -> str:
    """The levels of each network together: vgg16 on digits at 50 and 80 %, resnet18 on digits at 80 %."""
    found: dict[str, list[float]] = {}
    for cell in cells:
        found.setdefault(cell.network, []).append(cell.sparsity)
    texts = {network: listed([f"{level * 100:g}" for level in sorted(levels)]) for network, levels in found.items()}
    return ", ".join(f"{network} at {levels} %" for network, levels in texts.items())


def plural(number: float, word: str) -> str:
    """1 point, 2 points, 0.5 points."""
    return f"{number:g} {word}{'s' * (number != 1)}"


def view(
    grid: Grid, models: Sequence[str], columns: Callable[[Cell, str], dict[str, str]], arms: Arms = controls
) -> pd.DataFrame:
    """One row of text per model, data set and arm (method, sparsity), made by `columns(cell, method)`."""
    rows = []
    for model in models:
        for dataset in grid.datasets:
            for method, level in arms(grid, model):
                cell = Cell(model, dataset, level)
                rows.append(cell.labels() | {"method": method} | columns(cell, method))
    return pd.DataFrame(rows)
