"""Tables behind the figures have the numbers of the tables of text, and of files."""

import altair as alt
import numpy as np
import pytest

from prunescope.evidence import plotted
from prunescope.evidence.differences import between
from prunescope.evidence.potential import shown_safe
from prunescope.report import page
from prunescope.report.blocks import Plot
from prunescope.results.summary import runs
from report_fakes import CELL


def test_differences_are_those_of_the_table_at_the_first_level_or_all(results):
    means, seeds = plotted.to_dense(results, every_level=False)
    assert set(means["sparsity"]) == {0.8} and len(means) == 3 and len(seeds) == 9
    estimate = between(results, CELL, "layerwise", "dense").judgement.estimate
    assert means.set_index("method").loc["layerwise", "mean"] == pytest.approx(estimate.mean, abs=1e-4)
    assert set(plotted.to_dense(results, every_level=True)[0]["sparsity"]) == {0.8, 0.5}


def test_lost_is_what_is_shown_to_be_below_dense(results):
    for seed in results.grid.seeds:
        mine = (results.summary["seed"] == seed) & (results.summary["method"] == "layerwise")
        results.summary.loc[mine, "balanced_accuracy"] -= 0.2 + 0.003 * (seed == 1)
    means = plotted.to_dense(results, every_level=True)[0]
    assert (means["lost"] == (means["verdict"] == "worse")).all()
    assert means["lost"].sum() >= 2 and (means.loc[means["lost"], "high"] < 0).all() and not means["lost"].all()


def test_what_is_safe_at_a_level_is_what_the_prune_potential_says(results):
    rows, dense = plotted.by_level(results)
    assert len(rows) == 6 and len(dense) == 1
    for of in rows.to_dict("records"):
        estimate = between(results, CELL._replace(sparsity=of["sparsity"]), of["method"], "dense").judgement.estimate
        assert of["safe"] == (estimate.measured and shown_safe(estimate, results.grid.margin))
        assert of["high"] - of["value"] == pytest.approx(estimate.half_width, abs=1e-3, nan_ok=True)


def test_costs_are_means_of_the_summary_and_each_network_stands_once(results):
    rows = plotted.costs(results).set_index("network")
    assert not rows.index.has_duplicates
    mine = runs(results.summary, CELL, "oneshot")
    assert rows.loc["oneshot 80 %", "megabytes"] == pytest.approx(mine["size_packed_bytes"].mean() / 1e6, abs=1e-3)
    assert {"dense", "oneshot 50 %"} <= set(rows.index) and set(rows["method"]) >= {"student", "dense", "oneshot"}


def test_critical_classes_stand_first_and_changes_are_points(results):
    rows = plotted.harm(results)
    first = rows[rows["cell"] == str(CELL)].iloc[0]
    assert first["class"] == "b" and first["critical"]
    assert np.allclose(rows["value"] - rows["dense"], rows["change"], atol=1e-6)


def test_every_figure_of_a_page_is_right_by_the_schema(results):
    sections = page.sections(results, provenance={}, reproduce=[])
    plots = [block for section in sections for block in section.blocks if isinstance(block, Plot)]
    assert len(plots) > 7
    for plot in plots:
        alt.Chart.from_dict(plot.drawing.whole())
        for spec in plot.drawing.specs():
            alt.Chart.from_dict(spec)
            named = {part["data"]["name"] for part in (spec, *spec.get("layer", ())) if "name" in part.get("data", {})}
            assert named == set(spec["datasets"]), "a panel carries its own data alone"
