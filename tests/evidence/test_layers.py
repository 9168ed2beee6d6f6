"""Layer sensitivity: points lost against the same seed's base, named and ranked; nothing where no layer was tried."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

import drawn
from prunescope.evidence.sensitivity import most_sensitive, sensitivity_table, tried_layers
from prunescope.figures.tables import WRITTEN, layer_map
from prunescope.report import page
from prunescope.results.grid import Grid
from report_fakes import layer_names, make_study, opened, row


def plant_sensitivity(metrics: Path, study: Grid, layers: dict[str, int]) -> None:
    """At 95 % the second layer loses 40 points, the first 10, the last none, the others half a point in the last seed alone.

    At 50 % the first gains 2 points, and nothing else happens. Each seed has a base of its own.
    """
    for model, seed in product(study.sensitivity, study.seeds):
        base, last = 0.9 - 0.1 * seed, seed == study.seeds[-1]
        lines = ["layer,level,weights,achieved,accuracy,loss,images", f",0.0,0,0.0,{base},0.3,200"]
        for place, layer in enumerate(layer_names(model, layers[model])):
            lost = {0: 0.1, 1: 0.4, layers[model] - 1: -0.01 * last}.get(place, 0.0) + 0.01 * last
            start = f"{1000 * (place + 1)},0.5"
            lines.append(f"{layer},0.5,{start},{base + 0.02 * (place == 0)},0.3,200")
            lines.append(f"{layer},0.95,{start},{base - lost},{0.3 + 0.01 * place},200")
        path = metrics / f"sensitivity/{model}-digits-{seed}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def tried(tmp_path: Path):
    """tried(layers=6, seeds=(0, 1)): results in which the second layer loses most, and those at the end next to nothing."""

    def make(layers: int = 6, seeds=(0, 1), model: str = "vgg16"):
        study = make_study(models=(model,), seeds=seeds, teachers=(), sensitivity=(model,))
        plant_sensitivity(tmp_path / "metrics", study, {model: layers})
        return opened(tmp_path / "metrics", study)

    return make


def test_points_are_lost_against_the_same_seeds_base(tried) -> None:
    [found] = tried_layers(tried())
    assert found.order == layer_names("vgg16", 6) and found.seeds == 2 and found.images == 200
    lost = found.lost()
    assert list(lost.index) == found.order and list(lost.columns) == [0.5, 0.95]
    np.testing.assert_allclose(lost[0.95], [10.5, 40.5, 0.5, 0.5, 0.5, 0.0], atol=1e-9)
    np.testing.assert_allclose(lost[0.5], [-2.0, 0, 0, 0, 0, 0], atol=1e-9)


def test_the_sentence_names_the_layers_that_lose_most_and_counts_those_that_do_not(tried) -> None:
    [found] = tried_layers(tried())
    assert most_sensitive(found) == (
        "vgg16 on digits: with 95 % of one layer's weights removed and all other layers dense, features.3 (40.5 ± 0.7 points), "
        "features.0 (10.5 ± 0.7 points) and features.12 (0.5 ± 0.7 points) lose most; 4 of 6 layers lose less than 1 point."
    )
    found.rows["lost"] = 0.0
    assert "no layer loses accuracy; 6 of 6 layers lose less than 1 point." in most_sensitive(found)
    found.rows.loc[found.rows["layer"] == "features.9", "lost"] = 3.0
    assert "dense, features.9 (3.0 ± 0.0 points) loses most; 5 of 6" in most_sensitive(found)


def test_of_many_layers_the_table_has_both_ends(tried) -> None:
    few, many = sensitivity_table(tried()), sensitivity_table(tried(layers=169, model="densenet169"))
    assert few["rank"].tolist() == [f"{place} of 6" for place in range(1, 7)]
    assert many["rank"].tolist() == [f"{place} of 169" for place in (1, 2, 3, 4, 5, 165, 166, 167, 168, 169)]
    first = row(few, layer="features.3")
    assert first[["rank", "weights", "of all %", "lost at 50 %", "lost at 95 %"]].tolist() == [
        "1 of 6", "2,000", "9.5", "0.0 ± 0.0", "40.5 ± 0.7",
    ]  # fmt: skip
    assert few["layer"].tolist()[2:5] == ["features.12", "features.9", "features.6"], "ties by the rise of the loss"


@pytest.mark.parametrize(("model", "layers"), [("vgg16", 6), ("densenet169", 169)])
def test_the_map_has_layers_in_network_order_and_the_highest_level_on_top(tried, model, layers) -> None:
    [found] = tried_layers(tried(layers=layers, model=model))
    drawing = layer_map(found.lost(), "a title")
    shown = drawn.rows(drawing, "rect")
    [axes] = [of["encoding"] for of in drawn.layers(drawing) if of["mark"] == "rect"]
    assert axes["y"]["sort"] == ["95 %", "50 %"] and len(axes["x"]["sort"]) == layers
    assert axes["x"]["sort"][0] == ("conv1_1" if layers == 6 else "denseblock1.layer1.conv1")
    lost = shown.pivot(index="level", columns="layer", values="lost")[axes["x"]["sort"]]
    assert lost.loc["95 %"].iloc[1] == pytest.approx(40.5) and not lost.loc["50 %"].iloc[1:].round(9).any()
    assert ("text" in [of["mark"] for of in drawn.layers(drawing)]) == (layers <= WRITTEN)
    assert axes["color"]["scale"]["domain"] == [0, 40.5] and axes["color"]["scale"]["clamp"], "a gain looks like no loss"


def test_the_page_has_the_section_only_where_layers_were_tried(tried, tree, tmp_path) -> None:
    metrics, study = tree(models=("vgg16",), seeds=(0, 1))
    titles = [section.title for section in page.sections(opened(metrics, study), provenance={}, reproduce=[])]
    tried()  # beside the tree's files, but no level asks for them
    assert (metrics / "sensitivity").is_dir() and "Layer sensitivity" not in titles
    assert [s.title for s in page.sections(opened(metrics, study), provenance={}, reproduce=[])] == titles
    asked = make_study(models=("vgg16",), seeds=(0, 1), sensitivity=("vgg16",))
    page.write(opened(metrics, asked), tmp_path / "out", provenance={}, reproduce=[])
    text = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert text.index("\n## Layer sensitivity\n") + 1 < text.index("\n## Layer similarity\n")
    assert "features.3 (40.5 ± 0.7 points)" in text and "(figures/sensitivity-vgg16-digits.png)" in text
    assert "one of 200 images is 0.5 points" in text and (tmp_path / "out/figures/sensitivity-vgg16-digits.png").is_file()
