"""The two sentences at the top: made from the numbers, careful, and right about who beats whom."""

import json

import pytest

from prunescope.evidence.claims import judge
from prunescope.evidence.classes import recall_changes
from prunescope.report.answer import answer, chance
from prunescope.results.reading import Files
from prunescope.results.results import Results
from report_fakes import CELL, again, make_study, opened, plant, write_json

AMONG = "over seeds and images"


def results_of(folder, **changes) -> Results:
    study = make_study(**changes)
    plant(folder / "metrics", study)
    return opened(folder / "metrics", study)


def says(results: Results) -> tuple[str, str]:
    now = again(results)
    return answer(now, judge(now))


def balanced(results: Results, model: str, method: str, values: tuple[float, ...]) -> None:
    for seed, value in enumerate(values):
        rows = results.summary
        mine = (rows["seed"] == seed) & (rows["method"] == method) & (rows["model"] == model)
        results.summary.loc[mine, "balanced_accuracy"] = value


def plant_predictions(results: Results, actual: str, shown: dict[str, str], seeds: tuple[int, ...] = (0, 1)) -> None:
    for seed in seeds:
        for name, predicted in shown.items():
            cell = f"vgg16-digits-{seed}" if name == "dense" else f"vgg16-digits-0.8-{seed}"
            rows = "".join(f"{n},{n},{x},{y}\n" for n, (x, y) in enumerate(zip(actual, predicted, strict=True)))
            path = results.files.where / f"evaluate/{cell}/{name}-predictions.csv"
            path.write_text(f"name,group,actual,predicted\n{rows}")


def test_one_seed_is_careful(tmp_path):
    results = results_of(tmp_path)
    seen, meaning = says(results)
    assert "In 2 cells (model, data set, sparsity) best and worst method" in seen
    assert "lie 2.8 points of balanced accuracy apart" in seen  # 0.034 - 0.006
    assert "−0.6 points from the equally trained dense control" in seen
    assert "nothing here is proven" in meaning
    for number, path in enumerate(sorted((results.files.where / "evaluate").glob("*/*.json"))):
        known, width = json.loads(path.read_text()), 0.9 if path.stem.startswith("student") else 0.02
        write_json(path, known | {"balanced_accuracy_low": 0.0, "balanced_accuracy_high": width + number * 1e-6})
    assert chance(again(results)) == (
        "Another draw of the test split would move a network's balanced accuracy by less than about ±1.0 points (digits, "
        "360 images), 19 times in 20."
    )


def test_several_seeds_name_the_largest_shown_difference(tmp_path):
    results = results_of(tmp_path, seeds=(0, 1, 2))
    seen, meaning = says(results)
    assert seen.startswith("In 2 cells (model, data set, sparsity) it is not shown"), (
        "the fakes' methods differ equally in all seeds, which shows nothing"
    )
    balanced(results, "densenet169", "layerwise", (0.990, 0.930, 0.872))
    assert says(results)[0].startswith("In 2 cells"), "4.7 points on average, from seeds that differ by more"
    balanced(results, "densenet169", "layerwise", (0.90, 0.897, 0.895))
    seen, meaning = says(results)
    assert seen.startswith("The way of pruning matters in 1 of 2 cells (model, data set, sparsity)")
    shown = "of 6 differences between methods 3 are shown, 0 equal within the margin, 3 open (not enough data); over new seeds, a"
    assert shown in seen
    # 7.4, 7.3 and 7.1 points less than iterative: the pair's own variance is twice the pooled one, and its error 0.088
    # with two degrees of freedom, as all noise of that cell is layerwise's
    assert "Most it matters for densenet169 on digits at 80 %, where iterative is +7.3 [+6.9, +7.6] points" in seen
    assert "from layerwise; the best method lies −0.6 points" in seen
    assert "conclusions 2 hold here, 1 do not, 4 are open." in meaning
    balanced(results, "vgg16", "iterative", (0.80, 0.797, 0.79))
    seen, meaning = says(results)
    assert "where oneshot is +" in seen
    assert "conclusions 1 hold here, 1 do not, 5 are open; of other networks like these none is decided" in meaning, (
        "that layerwise is the worst is open, as the two networks contradict each other"
    )


def test_nobody_chooses_a_negative_control(tmp_path):
    """A method whose weights go at random is neither the largest difference nor who costs a class most."""
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1), chance=("layerwise",))
    balanced(results, "vgg16", "layerwise", (0.60, 0.597))
    actual = "a" * 50 + "b" * 50
    for seed, lost in ((0, 50), (1, 49)):
        shown = {"dense": actual, "oneshot": actual, "layerwise": "a" * (50 + lost) + "b" * (50 - lost), "iterative": actual}
        plant_predictions(results, actual, shown, (seed,))
    seen, meaning = says(results)
    assert seen.startswith(
        "In the one cell (model, data set, sparsity) it is not shown that the way of pruning matters: of 1 diff"
    )
    assert "of 1 difference between methods (without layerwise) 0 are shown" in seen and "allowing for all 3;" in seen
    assert meaning.endswith(f"no class is shown to lose recall (of 4 looked at, {AMONG}, allowing for all 6).")
    one = results_of(tmp_path / "one", models=("vgg16",), seeds=(0, 1), methods=("oneshot", "iterative"), chance=("iterative",))
    assert says(one)[0].startswith("With one method (without iterative) there is nothing to compare; the best method lies")


def test_the_class_that_pays_most(tmp_path):
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1))
    actual = "a" * 50 + "b" * 50
    shown = {"dense": actual, "oneshot": "a" * 40 + "b" * 60, "layerwise": "a" * 100, "iterative": actual}
    plant_predictions(results, actual, shown)
    assert says(results)[1].endswith(f"no class is shown to lose recall (of 6 looked at, {AMONG})."), "no spread"
    plant_predictions(results, actual, shown | {"layerwise": "a" * 99 + "b"}, seeds=(1,))
    loss = f"one loss of a class is shown (of 6 looked at, {AMONG}), that of b, which layerwise costs 99.0 points of"
    assert says(results)[1].endswith(f"{loss} recall (vgg16 on digits at 80 %).")
    plant_predictions(results, actual, shown | {"layerwise": "a" * 70 + "b" * 30}, seeds=(1,))
    assert says(results)[1].endswith(f"{AMONG})."), "100 and 40 points: the images are sure, two seeds are not"


def test_a_loss_that_the_images_do_not_show_is_not_named(tmp_path):
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1))
    actual = "a" * 50 + "b" * 3
    shown = {"dense": actual, "oneshot": "a" * 49 + "b" * 4, "layerwise": "a" * 53, "iterative": actual}
    plant_predictions(results, actual, shown)
    _, meaning = says(results)
    assert meaning.endswith(f"no class is shown to lose recall (of 3 looked at, {AMONG})."), (
        "one of 50 images, and a class of three images"
    )


def test_means_are_of_shared_seeds(tmp_path):
    """A method that ran with the best seed alone does not look better than it is."""
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1, 2))
    for method, values in (("dense", (0.95, 0.85, 0.75)), ("oneshot", (0.93, 0.84, 0.72)), ("layerwise", (0.92, 0.80, 0.73))):
        balanced(results, "vgg16", method, values)
    rows = results.summary
    alone = rows[~((rows["method"] == "iterative") & (rows["seed"] > 0))]
    seen, _ = says(Results(results.grid, results.files, alone))
    assert "lie 4.4 points of balanced accuracy apart" in seen, "96.4 of iterative (by the fakes) and 92, in seed 0"
    assert "lies +1.4 points from" in seen


def test_levels_have_their_own_winners(tmp_path):
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    rows = results.summary
    for seed, value in enumerate((0.5, 0.503, 0.507)):
        rows.loc[(rows["seed"] == seed) & (rows["method"] == "oneshot") & (rows["sparsity"] == 0.5), "balanced_accuracy"] = value
    assert "Most it matters for vgg16 on digits at 50 %" in says(results)[0]


def test_unequal_budgets_are_not_called_equal(tmp_path):
    results = results_of(tmp_path)
    results.summary.loc[results.summary["method"] == "dense", "steps"] = 400.0
    assert "dense control (not all trained equally long)" in says(results)[0]


@pytest.mark.parametrize(
    ("methods", "start"),
    [(("oneshot",), "With one method there is nothing to compare"), (("oneshot", "iterative"), "In 2 cells")],
)
def test_smaller_studies_have_an_answer_too(tmp_path, methods, start):
    results = results_of(tmp_path, methods=methods, seeds=(0, 1))
    assert says(results)[0].startswith(start)
    assert "did not run" in says(results)[1]
    empty = Results(results.grid, Files(tmp_path), results.summary.head(0))
    assert "There is no answer yet" in says(empty)[0]
    assert chance(empty) == ""


def test_a_class_must_outlast_the_number_of_all_that_are_looked_at(tmp_path):
    """A loss of 8 in 100 images: by itself its interval leaves zero out (2.9 standard errors), among 60 it does not (3.3)."""
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1))
    names = "abcdefghijklmnopqrst"
    actual = "".join(name * 100 for name in names)
    for seed, lost in ((0, 8), (1, 9)):
        worse = "b" * lost + actual[lost:]
        plant_predictions(results, actual, {"dense": actual, "oneshot": worse, "layerwise": actual, "iterative": actual}, (seed,))
    found = recall_changes(again(results), CELL).set_index("class").to_dict("index")["a"]
    assert found["oneshot_high"] < 0, "by itself it is shown"
    assert says(results)[1].endswith(f"no class is shown to lose recall (of 60 looked at, {AMONG}).")
