"""Tables of the page without what never ran."""

import pandas as pd

from prunescope.report import page
from prunescope.report.blocks import Table


def test_tables_are_compact():
    rows = [("vgg16", "digits", "0.0", "base", "not run", "–"), ("vgg16", "digits", "0.0", "dense", "97.0", "–"),
            ("vgg16", "digits", "80.0", "oneshot", "not run", "–"), ("vgg16", "digits", "80.0", "iterative", "96.0", "–"),
            ("vgg16", "digits", "50.0", "oneshot", "not run", "–")]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["model", "data", "sparsity %", "method", "accuracy %", "paper %"])
    found = page.compact(Table(frame, "", labels=4))
    assert isinstance(found, Table) and list(found.frame.columns) == [*frame.columns[:5]]
    assert found.frame["method"].tolist() == ["dense", "oneshot", "iterative"], (
        "a method that did not run beside one that did is said"
    )
    none = Table(frame[frame["accuracy %"] == "not run"], "", labels=4)
    assert page.compact(none) == none
