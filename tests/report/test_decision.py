"""The sentences to decide from are right about who is best, safe, losing and harmed, and careful with one seed."""

import pytest

from prunescope.report.decision import sentences
from prunescope.results.reading import Files
from prunescope.results.results import Results
from report_fakes import again, make_study, opened, plant, plant_predictions


def results_of(folder, **changes) -> Results:
    study = make_study(**changes)
    plant(folder / "metrics", study)
    return opened(folder / "metrics", study)


def says(results: Results) -> dict[str, str]:
    """By their subject."""
    return dict(sentence.split(": ", 1) for sentence in sentences(again(results)))


def balanced(results: Results, method: str, values: tuple[float, ...], model: str = "vgg16") -> None:
    rows = results.summary
    for seed, value in enumerate(values):
        mine = (rows["seed"] == seed) & (rows["method"] == method) & (rows["model"] == model)
        results.summary.loc[mine, "balanced_accuracy"] = value


def test_one_seed_proves_nothing(tmp_path):
    found = says(results_of(tmp_path, models=("vgg16",)))
    assert found["Losses"] == "one seed proves none; differences between seeds were not measured."
    assert found["Safe"] == "no method is shown to stay within 1 point of the dense control at any level."
    assert found["Best guess at 80 %"].startswith(
        "iterative, −0.6 points of balanced accuracy against dense on average over 1 network ("
    )
    assert found["Best guess at 80 %"].endswith("shown to be better than layerwise in 0 of 1.")


def test_losses_name_the_method_the_network_and_the_points(tmp_path):
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1, 2))
    balanced(results, "dense", (0.901, 0.900, 0.902))
    balanced(results, "oneshot", (0.9005, 0.901, 0.9015))
    balanced(results, "iterative", (0.901, 0.9015, 0.9005))
    balanced(results, "layerwise", (0.80, 0.801, 0.803))
    found = says(results)
    assert found["Losses, shown"] == "layerwise, vgg16 on digits at 80 % (10.0 points of balanced accuracy)."
    safe = "at 80 % oneshot in 1 of 1 and iterative in 1 of 1."
    assert found["Safe, shown to lose less than 1 point against the dense control, of the networks (model and data set)"] == safe
    assert "better than layerwise in 1 of 1" in found["Best guess at 80 %"]
    assert "Next" not in found, "nothing is open"


def test_an_open_comparison_says_what_would_decide_it(tmp_path):
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1, 2))
    for method, values in (("dense", (0.90, 0.88, 0.92)), ("oneshot", (0.89, 0.90, 0.90)), ("layerwise", (0.88, 0.91, 0.91)),
                           ("iterative", (0.91, 0.88, 0.90))):  # fmt: skip
        balanced(results, method, values)
    found = says(results)
    assert found["Losses"] == "none is shown against a dense network that trained as long."
    assert found["Next"].startswith("3 of 3 comparisons with dense are open; the nearest to a decision is ")
    assert "seeds" in found["Next"]


@pytest.mark.parametrize("critical", [("b",), ()])
def test_who_pays_names_the_critical_class_and_the_one_that_loses_most(tmp_path, critical):
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1), critical=critical)
    plant_predictions(results.files.where, results.grid)
    actual = "a" * 50 + "b" * 50 + "c" * 50
    for seed in (0, 1):
        wrong = 10 + seed
        for name, predicted in (("dense", actual), ("oneshot", actual), ("iterative", actual[:49] + "b" + actual[50:]),
                                ("layerwise", "a" * 50 + "b" * 48 + "aa" + "a" * wrong + "c" * (50 - wrong))):  # fmt: skip
            cell = f"vgg16-digits-{seed}" if name == "dense" else f"vgg16-digits-0.8-{seed}"
            rows = "".join(f"{n},{n},{x},{y}\n" for n, (x, y) in enumerate(zip(actual, predicted, strict=True)))
            path = results.files.where / f"evaluate/{cell}/{name}-predictions.csv"
            path.write_text(f"name,group,actual,predicted\n{rows}")
    [pays] = [sentence for sentence in sentences(again(results)) if sentence.startswith("Who pays")]
    most = "the class that loses most, c (digits) up to 21.0 points of recall, with layerwise of vgg16 at 80 %, shown"
    assert most in pays
    assert ("b (digits) up to 4.0 points of recall, with layerwise" in pays) == bool(critical)


def test_nothing_run_yet(tmp_path):
    results = results_of(tmp_path, models=("vgg16",))
    empty = Results(results.grid, Files(tmp_path), results.summary.head(0))
    assert sentences(empty) == ["Nothing to decide from yet: no pruned network has been evaluated beside its dense control."]
