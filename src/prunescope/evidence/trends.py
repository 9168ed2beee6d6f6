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


def trains_well(results: Results, cell: Cell, seed: int, name: str) -> float | None:
    """Training accuracy of a network, percent, mean over all steps of the budget; None where that is not the dense control's."""
    found = _with_control(results, cell, seed, name)
    return None if found is None else float(found[0].mean() * 100)


def reached_after(results: Results, cell: Cell, seed: int, name: str) -> float | None:
    """The step, as a share of the budget, at which training reaches what dense has at `REACHED` of it; else 1."""
    found = _with_control(results, cell, seed, name)
    if found is None:
        return None
    pruned, dense = found
    goal = np.maximum.accumulate(dense)[int(REACHED * (len(dense) - 1))]
    return int(np.argmax(pruned >= goal)) / len(dense) if (pruned >= goal).any() else 1.0


def _with_control(results: Results, cell: Cell, seed: int, name: str) -> tuple[Floats, Floats] | None:
    """Training accuracy of a network and of the dense control; None where one did not run, or their budgets differ."""
    pruned, dense = (training_accuracy(results, cell, seed, of) for of in (name, "dense"))
    return None if pruned is None or dense is None or len(pruned) != len(dense) else (pruned, dense)


def gained_over_layers(results: Results, cell: Cell, seed: int) -> tuple[float, float] | None:
    """Points of validation accuracy that (layerwise, dense) gain from the first to the last round that can be compared, by the
    least-squares lines over the number of layers pruned; None with fewer than three such rounds.

    Right after each pruning, with re-estimated batch-norm statistics where they were measured. Dense was measured after epochs,
    with running statistics. Rounds before its first one are left out: the learning rate has jumped from zero meanwhile, and what
    dense would have had there is not known. So is what is pruned at step 0, which is known beside the base: at a rate of zero
    re-estimating changes little, at a high one much, and the two states do not compare.
    """
    curve = layers_curve(results, cell, seed)
    if curve is None or len(curve := curve[curve["beside"]]) < 3:
        return None
    layers = curve["layers_pruned"].to_numpy(dtype=float)
    span = 100 * (layers.max() - layers.min())
    layerwise, dense = (float(np.polyfit(layers, curve[of].to_numpy(dtype=float), 1)[0] * span) for of in ("accuracy", "dense"))
    return layerwise, dense


def layers_curve(results: Results, cell: Cell, seed: int) -> pd.DataFrame | None:
    """By number of layers pruned the accuracy (fractions) of layerwise and, at the same step, of the dense control, and whether
    dense was measured in training before and after it (`beside`)."""
    pruned = results.history(f"prune/{cell.of(seed)}/layerwise")
    dense = results.history(f"finetune/{cell.dense(seed)}/dense")
    if pruned is None or dense is None:
        return None
    event = "reestimated" if (pruned["event"] == "reestimated").any() else "pruned"
    rows = pruned[pruned["event"].isin((event, "start"))].groupby("layers_pruned", as_index=False).last()
    control = dense.groupby("step", as_index=False).last()
    rows["dense"] = np.interp(rows["step"], control["step"], control["accuracy"])
    measured = control["step"][control["step"] > 0]
    rows["beside"] = rows["step"].between(measured.min(), measured.max())
    return rows[["layers_pruned", "step", "accuracy", "dense", "beside"]]
