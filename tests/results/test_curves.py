"""Curves: every measurement of the histories, in order."""

import pandas as pd
import pytest

from prunescope.results import curves
from report_fakes import opened


def table(results):
    return curves.table(results.grid, results.curves)


def test_curves_hold_every_measurement_in_order(tree):
    metrics, study = tree(seeds=(0, 1), models=("vgg16",))
    found = table(opened(metrics, study))
    assert tuple(found.columns) == curves.COLUMNS
    assert set(found["cell"]) == {"vgg16 on digits, 80 %"}
    for (method, seed), rows in found.groupby(["method", "seed"]):
        assert rows["step"].is_monotonic_increasing, (method, seed)
        cell = f"vgg16-digits-{seed}" if method == "dense" else f"vgg16-digits-0.8-{seed}"
        last = pd.read_csv(metrics / f"finetune/{cell}/{method}.csv").query("split == 'val'")["accuracy"].iloc[-1]
        assert rows["accuracy"].iloc[-1] == pytest.approx(last)
    assert len(found.groupby(["method", "seed"])) == 8
    assert table(opened(metrics / "nothing", study)).empty
