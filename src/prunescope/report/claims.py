"""The answer at the top of the page, in two sentences made from the numbers."""

import math
from dataclasses import dataclass

import pandas as pd

from prunescope.report.arms import Study, levels
from prunescope.report.tables import runs


@dataclass(frozen=True)
class Contest:
    """The methods of one model, data set and sparsity: mean accuracies of each, and the dense control's."""

    accuracy: dict[str, float]
    balanced: dict[str, float]
    dense: float

    @property
    def gap(self) -> float:
        return max(self.accuracy.values()) - min(self.accuracy.values())


def contests(summary: pd.DataFrame, study: Study) -> list[Contest]:
    """The cells in which every method of the study ran at least once."""
    found = []
    for model in study.models:
        for dataset in study.datasets:
            for level in levels(study):
                arms = {method: runs(summary, model, dataset, method, level) for method in study.methods}
                if arms and all(len(arm) for arm in arms.values()):
                    accuracy = {method: float(arm["accuracy"].mean()) for method, arm in arms.items()}
                    balanced = {method: float(arm["balanced_accuracy"].mean()) for method, arm in arms.items()}
                    dense = float(runs(summary, model, dataset, "dense", 0.0)["accuracy"].mean())
                    found.append(Contest(accuracy, balanced, dense))
    return found


def answer(summary: pd.DataFrame, study: Study) -> tuple[str, str]:
    """What was seen, and how far it can be trusted. No claim of proof: intervals and paired tests are not made here."""
    cells = contests(summary, study)
    wanted = len(study.models) * len(study.datasets) * len(levels(study))
    if not cells:
        return (
            "There is no answer yet: in no cell of the study have all methods been evaluated.",
            "Run dvc repro, or look below at the arms that did run.",
        )
    return _seen(cells, wanted), _trust(summary, study)


def _best(values: dict[str, float]) -> str:
    """The method with the highest value, or all of them when they tie."""
    top = max(values.values())
    return " tied with ".join(method for method, value in values.items() if math.isclose(value, top, abs_tol=1e-12))


def _seen(cells: list[Contest], wanted: int) -> str:
    wins = pd.Series([_best(cell.accuracy) for cell in cells]).value_counts(sort=True)
    agree = sum(_best(cell.balanced) == _best(cell.accuracy) for cell in cells)
    over, rest = (f"{len(cells)} of ", "; the others are incomplete") if len(cells) < wanted else ("", "")
    places = ", ".join(f"to {method} in {count}" for method, count in wins.items())
    gaps = [cell.gap * 100 for cell in cells]
    to_dense = [(max(cell.accuracy.values()) - cell.dense) * 100 for cell in cells if not math.isnan(cell.dense)]
    text = (
        f"Over {over}{_plural(wanted, 'cell')} (model, data set, sparsity{rest}), the highest mean test accuracy went "
        f"{places}; best and worst method "
        f"lie {_range(gaps, '.1f')} percentage points apart"
    )
    if to_dense:
        text += f", the best method {_range(to_dense, '+.1f')} from the equally trained dense control"
    return text + f"; balanced accuracy names the same best in {agree} of {len(cells)}."


def _trust(summary: pd.DataFrame, study: Study) -> str:
    arms = summary[summary["kind"] != "student"]
    images = arms["test_images"].min()
    chance = ""
    if images > 0:
        # The binomial standard error at the mean accuracy: what the draw of test images alone does to one number.
        error = math.sqrt(arms["accuracy"].mean() * (1 - arms["accuracy"].mean()) / images) * 100
        moves = f"moves an accuracy by about ±{error:.1f} points (one standard error)"
        chance = f", and the draw of {images:,.0f} test images alone {moves}"
    if len(study.seeds) == 1:
        return f"With one seed (n = 1) nothing here is proven: differences between seeds are not measured{chance}."
    return (
        f"These are means over up to {len(study.seeds)} seeds; a difference that is small beside the standard "
        f"deviations below is not shown to be more than chance{chance}."
    )


def _range(values: list[float], form: str) -> str:
    low, high = (f"{value:{form}}".replace("-", "−") for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
