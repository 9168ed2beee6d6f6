"""What training curves say: how a pruned network trains beside the dense one, and what pruning layer after layer costs.

Both are compared at equal steps after the same base, so that the rate, the batches and what was learnt before drop out.
"""

import numpy as np
import pandas as pd

from prunescope.evidence.inference import Floats
from prunescope.results.grid import Cell
from prunescope.results.results import Results

REACHED = 0.5  # of the budget: the dense control's training accuracy there is what others are timed to


def training_accuracy(results: Results, cell: Cell, seed: int, name: str) -> Floats | None:
    """Accuracy on the training batches (steps,) of a network over its whole budget, each step that of the rows around it.

    The rows are means over the steps since the row before (an epoch, or what a round had). None where a stage did not run, or
    where rows do not cover all steps.
    """
    stages = [f"finetune/{cell.dense(seed)}/dense"]
    if name != "dense":
        stages = [f"{stage}/{cell.of(seed)}/{name}" for stage in ("prune", "finetune")]
    rows = [results.trained(stage) for stage in stages]
    if any(of is None for of in rows):
        return None
    every = pd.concat([of for of in rows if of is not None], ignore_index=True)
    steps, accuracy = every["step"].to_numpy(dtype=int), every["accuracy"].to_numpy(dtype=float)
    lengths = np.diff(steps, prepend=0)
    return np.repeat(accuracy, lengths) if len(steps) and (lengths >= 0).all() else None


def trains_better(results: Results, cell: Cell, seed: int, name: str) -> float | None:
    """Training accuracy of a pruned network less the dense one's, points, mean over all steps of the budget."""
    found = _with_control(results, cell, seed, name)
    return None if found is None else float((found[0] - found[1]).mean() * 100)


def steps_later(results: Results, cell: Cell, seed: int, name: str) -> float | None:
    """How much later, as a share of the budget, training reaches what dense has at `REACHED` of it, or ends without."""
    found = _with_control(results, cell, seed, name)
    if found is None:
        return None
    budget = len(found[1])
    goal = np.maximum.accumulate(found[1])[int(REACHED * (budget - 1))]
    pruned, dense = (int(np.argmax(of >= goal)) if (of >= goal).any() else budget for of in found)
    return (pruned - dense) / budget


def _with_control(results: Results, cell: Cell, seed: int, name: str) -> tuple[Floats, Floats] | None:
    """Training accuracy of a network and of the dense control; None where one did not run, or their budgets differ."""
    pruned, dense = (training_accuracy(results, cell, seed, of) for of in (name, "dense"))
    return None if pruned is None or dense is None or len(pruned) != len(dense) else (pruned, dense)


def lost_over_layers(results: Results, cell: Cell, seed: int) -> float | None:
    """Points of validation accuracy that pruning all layers one by one loses: layerwise less dense at equal steps, by the
    least-squares line from no layer on; None with fewer than three measured rounds.

    Right after each pruning, with re-estimated batch-norm statistics where they were measured.
    """
    curve = layers_curve(results, cell, seed)
    if curve is None or len(curve) < 4:
        return None
    layers, gap = curve["layers_pruned"].to_numpy(dtype=float), curve["gap"].to_numpy(dtype=float)
    return float(-np.polyfit(layers, gap, 1)[0] * (layers.max() - layers.min()) * 100)


def layers_curve(results: Results, cell: Cell, seed: int) -> pd.DataFrame | None:
    """By number of layers pruned the accuracy of layerwise, that of the control at the same step, and their gap (fractions)."""
    pruned = results.history(f"prune/{cell.of(seed)}/layerwise")
    dense = results.history(f"finetune/{cell.dense(seed)}/dense")
    if pruned is None or dense is None:
        return None
    event = "reestimated" if (pruned["event"] == "reestimated").any() else "pruned"
    rows = pruned[pruned["event"].isin((event, "start"))].groupby("layers_pruned", as_index=False).last()
    control = dense.groupby("step", as_index=False).last()
    rows["dense"] = np.interp(rows["step"], control["step"], control["accuracy"])
    rows["gap"] = rows["accuracy"] - rows["dense"]
    return rows[["layers_pruned", "step", "accuracy", "dense", "gap"]]
