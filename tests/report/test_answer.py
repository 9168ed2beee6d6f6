"""The two sentences at the top: made from the numbers, careful, and right about who beats whom."""

import pytest
from report_fakes import make_study, plant

from prunescope.report import tables
from prunescope.report.answer import answer, chance
from prunescope.report.claims import judge
from prunescope.report.measures import Evidence


def evidence_of(folder, **changes) -> Evidence:
    study = make_study(**changes)
    plant(folder / "metrics", study)
    return Evidence(study, tables.summarise(folder / "metrics", study), folder / "metrics")


def says(evidence: Evidence) -> tuple[str, str]:
    return answer(evidence, judge(evidence))


def balanced(evidence: Evidence, model: str, method: str, values: tuple[float, ...]) -> None:
    for seed, value in enumerate(values):
        rows = evidence.summary
        mine = (rows["seed"] == seed) & (rows["method"] == method) & (rows["model"] == model)
        evidence.summary.loc[mine, "balanced_accuracy"] = value


def test_one_seed_is_careful(tmp_path):
    evidence = evidence_of(tmp_path)
    seen, meaning = says(evidence)
    assert "In all 2 cells" in seen
    assert "lie 2.8 points of balanced accuracy apart" in seen  # 0.034 - 0.006
    assert "−0.6 points from the equally trained dense control" in seen
    assert "nothing here is proven" in meaning
    # sqrt(0.966 x 0.034 / 360): the mean accuracy of the eight arms is 0.966
    assert chance(evidence) == (
        "The draw of test images alone moves one accuracy by about ±0.9 points (digits, 360 images), one standard error."
    )


def test_several_seeds_name_the_largest_shown_difference(tmp_path):
    evidence = evidence_of(tmp_path, seeds=(0, 1, 2))
    seen, meaning = says(evidence)
    assert seen.startswith("In none of 2 cells"), "the fakes' methods differ equally in all seeds, which shows nothing"
    balanced(evidence, "densenet169", "layerwise", (0.90, 0.91, 0.895))
    seen, meaning = says(evidence)
    assert seen.startswith("The way of pruning matters in 1 of 2 cells")
    assert "most for densenet169 on digits at 80 %, where iterative is +6.8 [" in seen
    assert "from layerwise; elsewhere no difference is shown; the best method lies −0.6 points" in seen
    assert "Of the paper's 7 conclusions 0 hold here, 0 do not and 7 are undecided; no class is shown to lose recall." in meaning
    balanced(evidence, "vgg16", "iterative", (0.80, 0.81, 0.79))
    seen, meaning = says(evidence)
    assert "where oneshot is +" in seen
    assert "Of the paper's 7 conclusions 0 hold here, 3 do not" in meaning, (
        "iterative is not best, layerwise not worst, pruned not better"
    )


def test_the_class_that_pays_most(tmp_path):
    evidence = evidence_of(tmp_path, models=("vgg16",), seeds=(0, 1))
    actual = "a" * 50 + "b" * 50
    shown = {"dense": actual, "oneshot": "a" * 40 + "b" * 60, "layerwise": "a" * 100, "iterative": actual}
    for seed in (0, 1):
        for name, predicted in shown.items():
            cell = f"vgg16-digits-{seed}" if name == "dense" else f"vgg16-digits-0.8-{seed}"
            rows = "".join(f"{n},{n},{x},{y}\n" for n, (x, y) in enumerate(zip(actual, predicted, strict=True)))
            path = evidence.metrics / f"evaluate/{cell}/{name}-predictions.csv"
            path.write_text(f"name,group,actual,predicted\n{rows}")
    _, meaning = says(evidence)
    assert meaning.endswith("pays most is b, which layerwise costs 100.0 points of recall (vgg16 on digits at 80 %).")


@pytest.mark.parametrize("methods", [("oneshot",), ("oneshot", "iterative")])
def test_incomplete_studies_have_an_answer_too(tmp_path, methods):
    evidence = evidence_of(tmp_path, methods=methods, seeds=(0, 1))
    assert says(evidence)[0].startswith("In none of 2 cells")
    empty = Evidence(evidence.study, evidence.summary.head(0), tmp_path)
    assert "There is no answer yet" in says(empty)[0]
    assert chance(empty) == ""
