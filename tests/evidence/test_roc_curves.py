"""ROC curves of the page: from the kept files of every class, else from the scores of the critical classes."""

import numpy as np
import pytest

import drawn
from prunescope.evidence import roc_curves
from prunescope.figures import harm
from prunescope.report import roc
from prunescope.report.blocks import Plot
from prunescope.results.archiving import archivable
from prunescope.results.grid import cells_of
from prunescope.results.reading import Files
from prunescope.results.results import Results
from report_fakes import CELL, again

PERFECT, CHANCE = [0.1] * 6 + [0.9] * 6, [0.5] * 12
GRID = (0.0, 0.5, 1.0)  # specificities of the files here


def with_scores(results: Results, cell: str, name: str, scores: list[float]) -> None:
    path = results.files.where / f"evaluate/{cell}/{name}-predictions.csv"
    lines = [f"{n},{n},{'b' if n >= 6 else 'a'},a,{score}" for n, score in enumerate(scores)]
    path.write_text("name,group,actual,predicted,score_b\n" + "\n".join(lines) + "\n")


def with_curves(results: Results, cell: str, name: str, **curves: tuple[float, ...]) -> None:
    lines = [f"{of},{x},{y}\n" for of, curve in curves.items() for x, y in zip(GRID, curve, strict=True)]
    path = results.files.where / f"evaluate/{cell}/{name}-roc.csv"
    path.write_text("class,specificity,sensitivity\n" + "".join(lines))


def figures(results: Results) -> dict[str, Plot]:
    return {of.name: of for of in roc.blocks(again(results)) if isinstance(of, Plot)}


def test_a_curve_from_scores_passes_ties_at_once_and_is_the_mean_over_seeds(results):
    for seed in (0, 1, 2):
        with_scores(results, f"vgg16-digits-{seed}", "dense", PERFECT if seed < 2 else CHANCE)
        with_scores(results, f"vgg16-digits-0.8-{seed}", "oneshot", CHANCE)
    rows = roc_curves.critical_classes(again(results))
    assert set(rows["class"]) == {"b"} and rows["critical"].all()
    rows = rows[rows["cell"] == str(CELL)]
    curves = {name: of.set_index("fall_out")["sensitivity"] for name, of in rows.groupby("network")}
    assert set(curves) == {"dense", "oneshot"}, "the others have no scores"
    assert np.allclose(curves["oneshot"], curves["oneshot"].index, atol=0.01), "chance"
    wanted = (2 * 100 + curves["dense"].index.to_numpy()) / 3
    assert np.allclose(curves["dense"].iloc[1:], wanted[1:], atol=0.01)


def test_curves_of_every_class_are_means_over_seeds_with_critical_classes_first(results):
    for seed, top in ((0, 0.4), (1, 0.8)):
        with_curves(results, f"vgg16-digits-{seed}", "dense", a=(1, 0.6, 0.2), b=(1, top, 0), c=(1, 1, 1))
        with_curves(results, f"vgg16-digits-0.8-{seed}", "oneshot", a=(1, 0.5, 0.1), b=(1, 0.5, top), c=(1, 1, 0.3))
    found = again(results)
    rows = roc_curves.every_class(found, CELL)
    assert list(dict.fromkeys(rows["class"])) == ["b", "a", "c"]
    at = rows.set_index(["class", "network", "fall_out"])["sensitivity"]
    assert at["b", "dense", 50.0] == pytest.approx(60) and at["b", "oneshot", 0.0] == pytest.approx(60)
    assert at["a", "dense", 0.0] == 20 and at["c", "oneshot", 0.0] == 30
    assert set(rows["network"]) == {"dense", "oneshot"}
    drawing = harm.roc(rows, found.grid.methods, cells=False)
    assert drawn.titles(drawing) == ["lines", "★ b", "a", "c"]
    assert len(drawn.rows(drawing, "line", panel=1, number=1)) == 6
    assert set(drawn.rows(drawing, "line", panel=0)["network"]) == {"dense", "oneshot"}, "the key"


def test_the_page_has_every_class_of_cells_with_files_and_the_critical_ones_of_the_others(results):
    for cell in ("vgg16-digits-0.8-0", "vgg16-digits-0.5-0"):
        with_scores(results, cell, "oneshot", PERFECT)
    assert list(figures(results)) == ["roc.png"]
    with_curves(results, "vgg16-digits-0.8-0", "oneshot", a=(1, 0.5, 0.1), b=(1, 0.5, 0))
    assert list(figures(results)) == ["roc.png"], "a method without the control says nothing"
    with_curves(results, "vgg16-digits-0", "dense", a=(1, 0.5, 0.1), b=(1, 0.5, 0))
    found = figures(results)
    assert list(found) == ["roc-vgg16-digits-0.8.png", "roc.png"]
    assert drawn.titles(found["roc.png"].drawing) == ["lines", f"b, {CELL._replace(sparsity=0.5)}"]
    with_curves(results, "vgg16-digits-0.5-0", "oneshot", a=(1, 0.5, 0.1), b=(1, 0.5, 0))
    assert list(figures(results)) == ["roc-vgg16-digits-0.8.png", "roc-vgg16-digits-0.5.png"]


def test_an_archive_carries_the_files(results):
    with_curves(results, "vgg16-digits-0", "dense", b=(1, 0.5, 0))
    with_curves(results, "vgg16-digits-0.8-0", "oneshot", b=(1, 0.5, 0))
    where = results.files.where
    every = {path.relative_to(where).as_posix(): path for path in where.rglob("*") if path.is_file()}
    kept = Results(results.grid, Files(where / "nowhere", archivable(results.grid, every)))
    first, *others = cells_of(results.grid)
    assert len(roc_curves.every_class(kept, first)) == 6
    assert all(roc_curves.every_class(kept, cell).empty for cell in others)
