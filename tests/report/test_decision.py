"""The sentences to decide from are right about who is best, safe, losing and harmed, and careful with one seed."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from prunescope.report import decision, who_pays
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
    assert (
        found["Not shown safe"]
        == "no method is shown to lose less than 1 point of balanced accuracy, allowing for all 3 comparisons."
    )
    guess = found["Best guess at 80 %, against an equally trained dense network"]
    assert guess.startswith("for digits iterative, −0.6 points of balanced accuracy (oneshot ") and guess.endswith(
        "; dense 97.0 %)."
    )


def test_units_of_data_sets_are_not_mixed(tmp_path):
    """A point of one endpoint is none of another: each data set has its own best guess."""
    primary = {"digits": "accuracy", "cifar100-small": "auc"}
    results = results_of(tmp_path, models=("vgg16", "densenet169"), datasets=tuple(primary), primary=primary)
    for method, value in (("layerwise", 0.99), ("dense", 0.95), ("oneshot", 0.94), ("iterative", 0.94)):
        mine = (results.summary["dataset"] == "cifar100-small") & (results.summary["method"] == method)
        results.summary.loc[mine, "auc"] = value
    guess = says(results)["Best guess at 80 %, against an equally trained dense network"]
    assert re.match(
        r"for digits iterative, −\d\.\d points of accuracy, mean of 2 models .*; for cifar100-small layerwise, \+.* of AUC", guess
    )


def test_losses_name_the_method_the_network_and_the_points(tmp_path):
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1, 2))
    balanced(results, "dense", (0.901, 0.900, 0.902))
    balanced(results, "oneshot", (0.9005, 0.901, 0.9015))
    balanced(results, "iterative", (0.901, 0.9015, 0.9005))
    balanced(results, "layerwise", (0.80, 0.801, 0.803))
    found = says(results)
    assert (
        found["Losses, shown to be below dense, allowing for all 3 comparisons"]
        == "vgg16 on digits at 80 % layerwise −10.0 points of balanced accuracy."
    )
    safe = "oneshot and iterative of vgg16 on digits at 80 %."
    assert found["Safe, shown to lose less than 1 point of balanced accuracy, allowing for all 3 comparisons"] == safe
    assert "Next" not in found, "nothing is open"


def test_what_is_safe_by_level(tmp_path, monkeypatch):
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    for method, values in (("dense", (0.901, 0.900, 0.902)), ("oneshot", (0.9005, 0.901, 0.9015)),
                           ("iterative", (0.901, 0.9015, 0.9005)), ("layerwise", (0.9015, 0.901, 0.9008))):  # fmt: skip
        balanced(results, method, values)
    rows = results.summary
    for seed in (0, 1, 2):
        rows.loc[(rows["seed"] == seed) & (rows["method"] == "layerwise") & (rows["sparsity"] == 0.8), "balanced_accuracy"] = 0.8
    subject = "Safe, shown to lose less than 1 point of balanced accuracy, allowing for all 6 comparisons"
    safe = "oneshot and iterative of vgg16 on digits at 80 %; every method of vgg16 on digits at 50 %"
    assert says(results)[subject] == f"{safe}."
    monkeypatch.setattr(decision, "shown_safe", lambda *_: True)
    assert says(results)[subject] == f"{safe}. Taken singly also layerwise of vgg16 on digits at 80 %."
    monkeypatch.setattr(decision, "NETWORKS", 1)
    many = "at 50 %, of 1 network, oneshot in 1, layerwise in 1 and iterative in 1; at 80 %, of 1 network, oneshot in 1 and iter"
    assert says(results)[subject].startswith(many)
    negative = Results(replace(results.grid, chance=("layerwise",)), results.files, results.summary)
    found = says(negative)
    told = "".join(sentences(negative)).replace("every method but the control layerwise", "")
    assert "layerwise" not in told, "nobody chooses it"
    assert found[subject].startswith("at 50 %, of 1 network, oneshot in 1 and iterative in 1"), "it is allowed for all the same"
    monkeypatch.setattr(decision, "NETWORKS", 6)
    assert says(negative)[subject].startswith("every method but the control layerwise of vgg16 on digits at 50 and 80 %")


@pytest.mark.parametrize(("lost", "said"), [
    (0.05, "in 1 of 1 cell (most in vgg16 on digits at 80 %, −5.0 [−5.1, −4.9] points of balanced accuracy); "),
    (-0.05, "in 0 of 1 cell, better in 1; "),
    (0.0, "in 0 of 1 cell; "),
])  # fmt: skip
def test_levels_or_schedule(tmp_path, lost, said):
    """Networks of equal levels lose five points, win them, or neither, whatever the schedule."""
    methods = ("oneshot", "oneshot-uniform", "iterative", "iterative-uniform")
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1, 2), methods=methods, teachers=())
    for method in ("dense", *methods):
        of = 0.9 - lost * method.endswith("uniform")
        balanced(results, method, (of, of + 0.001 * len(method) / 17, of - 0.002))
    rows = results.summary
    rows.loc[rows["method"].isin(methods), "nonzero_macs"] = rows["macs"] * 0.5
    rows.loc[rows["method"].str.endswith("uniform"), "nonzero_macs"] = rows["macs"] * 0.2
    assert says(results)["Cause, levels or schedule"] == (
        "the same level for every layer, which leaves 20 % of the multiplications, is shown to be worse than one ranking of all "
        f"weights (50 %) {said}schedules with the same kind of levels are shown to differ in 0 of 2 pairs; their means over both "
        "kinds in 0 of 1 comparison, and 1 of them are equal within the margin."
    )


def test_schedules_that_differ_the_other_way_round_with_other_levels(tmp_path):
    """Their mean over both kinds of levels hides what each pair shows."""
    methods = ("oneshot", "oneshot-uniform", "iterative", "iterative-uniform")
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1, 2), methods=methods, teachers=())
    for method, of in zip(("dense", *methods), (0.9, 0.9, 0.8, 0.85, 0.851), strict=True):
        balanced(results, method, (of, of + 0.001 * len(method) / 17, of - 0.002))
    rows = results.summary
    rows.loc[rows["method"].isin(methods), "nonzero_macs"] = rows["macs"] * 0.5
    assert says(results)["Cause, levels or schedule"].endswith(
        "schedules with the same kind of levels are shown to differ in 2 of 2 pairs (oneshot-uniform − iterative-uniform of "
        "vgg16 on digits at 80 % −5.1 points of balanced accuracy, iterative − oneshot of vgg16 on digits at 80 % −5.0 points of "
        "balanced accuracy); their means over both kinds in 0 of 1 comparison, and 1 of them are equal within the margin."
    )


def test_of_many_losses_the_ends_are_named_and_no_single_network_is_left_to_the_tables(tmp_path):
    methods = ("oneshot", "layerwise", "iterative", "oneshot-uniform")
    results = results_of(
        tmp_path, models=("vgg16",), seeds=(0, 1, 2), methods=methods, teachers=(), sparsities=(0.8, 0.6, 0.7, 0.5)
    )
    for number, method in enumerate(("dense", *methods)):
        balanced(results, method, (0.9 - number / 10, 0.9 - number / 10 + 0.001 * number, 0.898 - number / 10))
    [lost] = [said for subject, said in says(results).items() if subject.startswith("Losses")]
    every = "every method, oneshot-uniform −39.9 to oneshot −10.0 points of balanced accuracy"
    assert lost == "; ".join(f"vgg16 on digits at {level} % {every}" for level in (80, 60, 70, 50)) + "."
    balanced(results, "layerwise", (0.9, 0.9, 0.8985))
    [fewer] = [said for subject, said in says(results).items() if subject.startswith("Losses")]
    assert "oneshot-uniform −39.9, iterative −29.9, oneshot −10.0" in fewer


def test_a_small_loss_that_is_certain_is_named(tmp_path):
    """Safe, as it is less than the margin, and certain all the same."""
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1, 2))
    for method, values in (("dense", (0.90, 0.88, 0.92)), ("oneshot", (0.8951, 0.875, 0.9149)),
                           ("layerwise", (0.9001, 0.88, 0.92)), ("iterative", (0.90, 0.8801, 0.92))):  # fmt: skip
        balanced(results, method, values)
    found = says(results)
    assert (
        found["Safe, shown to lose less than 1 point of balanced accuracy, allowing for all 3 comparisons"]
        == "every method of vgg16 on digits at 80 %."
    )
    assert found["Losses that may reach 1 point"] == (
        "none is shown against a dense network that trained as long. Certain as well, but less than 1 point: oneshot of vgg16 on "
        "digits at 80 % −0.50."
    )


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
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1), critical=critical, teachers=())
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
    assert pays == "Who pays, points of a class's recall: shown: c −21.0 with layerwise of vgg16 on digits at 80 %."
    negative = again(Results(replace(results.grid, chance=("layerwise",)), results.files))
    assert "layerwise" not in "".join(sentences(negative)).replace("every method but the control layerwise", "")
    found = says(results).get("B, change of recall at 80 %, points", "")
    assert bool(found) == bool(critical)
    if critical:
        assert found.startswith("vgg16 on digits (dense 100.0 %, 50 images) oneshot +0.0, layerwise −4.0")
        assert re.search(r"Losses by themselves: \d; still shown, allowing for all \d+ comparisons of classes: none\.$", found)


def test_nothing_run_yet(tmp_path):
    results = results_of(tmp_path, models=("vgg16",))
    empty = Results(results.grid, Files(tmp_path), results.summary.head(0))
    assert sentences(empty) == ["Nothing to decide from yet: no pruned network has been evaluated beside its dense control."]


def test_of_many_methods_the_first_and_those_that_lose_by_themselves_are_named():
    def seen(low: float, high: float) -> Any:
        return SimpleNamespace(estimate=SimpleNamespace(measured=True, low=low, high=high))

    changes = {"a": 1.0, "b": -0.5, "c": 0.0, "d": 2.0, "e": -9.0, "f": -2.5}
    known = {"a": None, "b": seen(-2, 1), "c": seen(-1, 1), "d": seen(-1, 5), "e": seen(-12, -6), "f": seen(-6, 1)}
    said = "a +1.0, b -0.5 [−2.0, +1.0], c +0.0 [−1.0, +1.0], e -9.0 [−12.0, −6.0], the 2 others -2.5 to +2.0"
    assert who_pays.each(changes, known) == said
    known["f"] = seen(-6, -1)
    assert "others" not in who_pays.each(changes, known), "one other is named"
    few = {name: changes[name] for name in "abde"}
    assert who_pays.each(few, dict.fromkeys(few)) == "a +1.0, b -0.5, d +2.0, e -9.0"


def test_what_teachers_gain_their_students(tmp_path):
    results = results_of(tmp_path, models=("vgg16",), seeds=(0, 1, 2))
    values = {"alone": 0.90, "dense": 0.92, "oneshot": 0.93, "layerwise": 0.89, "iterative": 0.91}
    for number, (teacher, value) in enumerate(values.items()):
        balanced(results, f"student-{teacher}", (value, value + 0.0003 * number, value - 0.0003 * number))
    assert says(results)["Students, over the same student without a teacher"] == (
        "for digits taught by dense +2.0, by pruned networks −1.0 (layerwise at 80 %) to +3.0 (oneshot at 80 %) points of "
        "balanced accuracy; shown to be better in 3 of 4, worse in 1."
    )
    without = results_of(tmp_path / "without", models=("vgg16",), seeds=(0, 1, 2), teachers=())
    assert not any(subject.startswith("Students") for subject in says(without))
