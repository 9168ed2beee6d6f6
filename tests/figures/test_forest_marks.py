"""What forest plots and lines over levels mark, and leave out."""

import drawn
from prunescope.evidence import plotted
from prunescope.figures import forest
from prunescope.report import pictures
from prunescope.report.blocks import Plot
from report_fakes import opened


def test_a_loss_that_is_shown_has_a_mark_that_needs_no_colour(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1, 2))
    results = opened(metrics, study)
    means, seeds = plotted.to_dense(results, every_level=False)
    means["lost"] = [False, True, False]
    unit = {"digits": "balanced accuracy"}
    [mark] = [of for of in drawn.layers(forest.forest(means, seeds, study.methods, 1.0, unit)) if of["mark"] == "text"]
    assert mark["rows"]["method"].tolist() == ["layerwise"] and mark["look"]["text"] == forest.LOST
    assert not {"color", "fill"} & {*mark["encoding"], *mark["look"]}, "the colour of the page's texts"
    none = forest.forest(means.assign(lost=False), seeds, study.methods, 1.0, unit)
    assert "text" not in {of["mark"] for of in drawn.layers(none)}
    [figure] = pictures.forest_figure(results)
    assert isinstance(figure, Plot) and f"{forest.LOST}: a loss that is shown" in figure.caption


def test_a_negative_control_is_left_to_the_tables(tree):
    """It may lie ten times as far off as all else."""
    metrics, study = tree(models=("vgg16",), seeds=(0, 1, 2), chance=("layerwise",))
    [figure] = pictures.forest_figure(opened(metrics, study))
    assert isinstance(figure, Plot) and "may lie far off: layerwise (in the tables)" in figure.caption
    drawn_methods = {name for of in drawn.layers(figure.drawing) if "method" in of["rows"] for name in of["rows"]["method"]}
    assert drawn_methods == {"oneshot", "iterative"}
    metrics, study = tree(models=("vgg16",), seeds=(0, 1, 2), methods=("oneshot",), chance=("oneshot",))
    [figure] = pictures.forest_figure(opened(metrics, study))
    assert isinstance(figure, Plot) and "Not drawn" not in figure.caption, "it is all that there is"


def test_levels_are_drawn_where_there_are_several_and_without_negative_controls(tree):
    metrics, study = tree(seeds=(0, 1), sparsities=(0.8, 0.5), chance=("layerwise",))
    for file in (metrics / "evaluate").glob("densenet169-digits-0.5-*/*.json"):
        file.unlink()
    [figure] = pictures.level_figure(opened(metrics, study))
    assert isinstance(figure, Plot) and "may lie far off: layerwise (in the tables). Source" in figure.caption
    assert [panel.title for panel in figure.drawing.panels] == ["digits, vgg16"], "the other one has one level"
    drawn_methods = {name for of in drawn.layers(figure.drawing) if "method" in of["rows"] for name in of["rows"]["method"]}
    assert drawn_methods == {"oneshot", "iterative"}
    metrics, study = tree(models=("vgg16",), sparsities=(0.8,))
    assert not list(pictures.level_figure(opened(metrics, study)))
