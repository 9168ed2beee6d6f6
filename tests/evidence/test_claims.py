"""Each conclusion's measure on numbers that speak for it, against it, or not at all."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prunescope.evidence import measures
from prunescope.evidence.claims import CLAIMS, FAILS, HOLDS, judge, verdict
from prunescope.evidence.differences import Compare
from prunescope.evidence.inference import EQUAL, NOT_RUN, OPEN
from prunescope.evidence.studywide import over_study
from prunescope.evidence.verdicts import by_dataset, cells_table, claims_table
from prunescope.results.results import Results
from report_fakes import CELL, again, make_study, opened, plant, row, write_history, write_matrix


def results_of(folder, **changes) -> Results:
    study = make_study(**({"models": ("vgg16",), "seeds": (0, 1, 2)} | changes))
    plant(folder / "metrics", study)
    return opened(folder / "metrics", study)


def shift(results: Results, method: str, values: tuple[float, ...]) -> None:
    """Set a method's balanced accuracy by seed."""
    for seed, value in enumerate(values):
        mine = (results.summary["seed"] == seed) & (results.summary["method"] == method)
        assert mine.sum() == 1
        results.summary.loc[mine, "balanced_accuracy"] = value


def found(results: Results, number: int) -> str:
    [comparisons] = list(judge(again(results)).values())[number].values()
    return verdict(comparisons)


def series(of: Compare) -> dict[int, float]:
    return dict(of.compared.by_seed)


def test_accuracies_decide_who_is_best_and_worst(tmp_path):
    results = results_of(tmp_path)
    assert [found(results, number) for number in (0, 1)] == [OPEN] * 2, "equal differences in all seeds"
    for method, values in (("dense", (0.90, 0.91, 0.92)), ("oneshot", (0.85, 0.87, 0.88)), ("layerwise", (0.70, 0.73, 0.72)),
                           ("iterative", (0.95, 0.94, 0.96))):  # fmt: skip
        shift(results, method, values)
    assert [found(results, number) for number in (0, 1)] == [HOLDS, HOLDS]
    shift(results, "layerwise", (0.99, 0.98, 0.99))
    assert [found(results, number) for number in (0, 1)] == [FAILS, FAILS]
    shift(results, "oneshot", (0.95, 0.98, 0.99))
    shift(results, "layerwise", (0.96, 0.97, 0.99))
    shift(results, "iterative", (0.97, 0.98, 0.985))
    assert [found(results, number) for number in (0, 1)] == [OPEN, OPEN]


def test_data_sets_that_disagree_are_judged_by_themselves_too(tmp_path):
    """Layerwise is worst on the first, as good as the others on the second: it holds of both, not of others like them."""
    results = results_of(tmp_path, datasets=("digits", "other"))
    layerwise = results.summary["method"] == "layerwise"
    noise = results.summary["seed"] * (0.002 + 0.001 * layerwise)
    lost = 0.05 * (layerwise & (results.summary["dataset"] == "digits"))
    results.summary["balanced_accuracy"] = 0.9 + noise - lost
    together = again(results)
    table = claims_table(judge(together))
    assert (table["in these networks"][1], table["of others like them"][1]) == (HOLDS, OPEN)
    table, means = by_dataset(together)
    assert list(table) == ["digits alone", "other alone"]
    assert table.iloc[1].tolist() == [HOLDS, EQUAL]
    assert means["mean of digits alone"][1].startswith("oneshot − layerwise: +4.9 [")
    assert by_dataset(together.alone("other"))[0].empty, "a study of one data set says it once"
    first = replace(together, given=together.summary[together.summary["dataset"] == "digits"])
    assert by_dataset(first)[0].empty, "nor does one whose second has not run"


def test_one_data_set_of_a_study_is_read_from_the_same_files(tmp_path):
    """Where the summary is made from the files, as in a kept study."""
    results = results_of(tmp_path, datasets=("digits", "other"))
    assert set(results.summary["dataset"]) == {"digits", "other"}
    other = results.alone("other")
    assert set(other.summary["dataset"]) == {"other"}
    assert {cell.dataset for cells in judge(other).values() for cell in cells} == {"other"}
    assert set(results.summary["dataset"]) == {"digits", "other"}, "as it was"


def write_map(results: Results, seed: int, a: str, b: str, matrix: list[list[float | None]]) -> None:
    names = [f"layer{number}" for number in range(len(matrix))]
    folder = results.files.where / f"cka/vgg16-digits-0.8-{seed}"
    pd.DataFrame(matrix, index=names, columns=names).to_csv(folder / f"{a}--{b}.csv")


def test_similarity_inside_decides_who_is_alike(tmp_path):
    results = results_of(tmp_path)
    values = {"layerwise": (0.7, 0.72, 0.71), "oneshot": (0.5, 0.51, 0.53), "iterative": (0.6, 0.61, 0.63)}
    for seed in range(3):
        for name, of in values.items():
            write_map(results, seed, name, name, [[1, of[seed], None], [of[seed], 1, None], [None, None, None]])
    assert found(results, 2) == HOLDS
    [inside] = judge(results)[CLAIMS[2]].values()
    assert series(inside["layerwise − oneshot"]) == pytest.approx({0: 0.2, 1: 0.21, 2: 0.18})
    (results.files.where / "cka/vgg16-digits-0.8-1/oneshot--oneshot.csv").unlink()
    assert judge(again(results))[CLAIMS[2]][CELL]["layerwise − oneshot"].judgement.estimate.n == 2


def test_similarity_between_is_over_the_same_layers(tmp_path):
    """A layer that is dead in one network is left out of all three maps."""
    results = results_of(tmp_path)
    pairs = {("oneshot", "iterative"): (0.9, 0.91, 0.92), ("oneshot", "layerwise"): (0.5, 0.52, 0.51),
             ("layerwise", "iterative"): (0.6, 0.63, 0.61)}  # fmt: skip
    for seed in range(3):
        for (a, b), of in pairs.items():
            last = None if "layerwise" in (a, b) else 0.0
            write_map(results, seed, a, b, [[of[seed], 0.1], [0.1, last]])
    assert found(results, 3) == HOLDS
    [between] = judge(results)[CLAIMS[3]].values()
    assert series(between["against iterative and layerwise"]) == pytest.approx({0: 0.3, 1: 0.28, 2: 0.31})


def test_other_methods_do_not_judge_the_papers_conclusions(tmp_path):
    results = results_of(tmp_path, methods=("oneshot", "layerwise", "iterative", "random"))
    [students] = judge(results)[CLAIMS[5]].values()
    assert list(students) == ["taught by oneshot", "taught by layerwise", "taught by iterative"]
    [trains] = judge(results)[CLAIMS[4]].values()
    assert len(trains) == 3
    assert not judge(results_of(tmp_path / "vgg11", models=("densenet169",)))[CLAIMS[4]], "a sentence about VGG16"


def named(matrix: np.ndarray, rows: list[str] | None = None, columns: list[str] | None = None) -> pd.DataFrame:
    shape = matrix.shape
    names = [f"features.{number}" for number in range(max(shape))]
    return pd.DataFrame(matrix, index=rows or names[: shape[0]], columns=columns or names[: shape[1]])


def test_halves_of_the_students_layers():
    matrix = np.zeros((4, 7))
    matrix[[0, 1, 2, 3], [0, 2, 4, 6]] = 0.9, 0.8, 0.3, 0.2  # equal relative depth
    assert measures.halves(named(matrix)) == pytest.approx((0.85, 0.25))
    matrix[0, 0] = math.nan
    assert measures.halves(named(matrix)) == pytest.approx((0.8, 0.25))
    assert measures.halves(named(np.diag([1.0, 0.5, 0.0]))) == (1.0, 0.0), "the middle layer is in neither half"
    assert all(map(math.isnan, measures.halves(named(np.full((2, 2), math.nan)))))


def test_convolutions_meet_convolutions_and_linear_layers_linear_ones():
    """By depth alone the student's second convolution of two would meet the teacher's classifier."""
    rows, columns = ["features.0", "features.3", "classifier.0", "classifier.3"], ["features.0", "features.3", "classifier.6"]
    matrix = np.zeros((4, 3))
    matrix[[0, 1, 2, 3], [0, 1, 2, 2]] = 1.0
    assert measures.halves(named(matrix, rows, columns)) == (1.0, 1.0)


def test_a_taught_student_is_compared_with_one_that_nobody_taught(tmp_path):
    [students] = judge(results_of(tmp_path))[CLAIMS[5]].values()
    assert series(students["taught by iterative"]) == pytest.approx({0: 0.1, 1: 0.1, 2: 0.1})
    (tmp_path / "metrics/cka/vgg16-digits-0.8-1/student-alone--iterative.csv").unlink()
    [students] = judge(opened(tmp_path / "metrics", make_study(models=("vgg16",), seeds=(0, 1, 2))))[CLAIMS[5]].values()
    assert set(series(students["taught by iterative"])) == {0, 2}


def test_students_only_where_a_model_teaches(tmp_path):
    results = results_of(tmp_path, models=("vgg16", "densenet169"), seeds=(0,))
    judged = judge(results)
    assert [where[0] for where in judged[CLAIMS[5]]] == ["vgg16"]
    assert [where[0] for where in judged[CLAIMS[4]]] == ["vgg16"]
    assert [where[0] for where in judged[CLAIMS[6]]] == ["vgg16", "densenet169"]
    [students] = judged[CLAIMS[5]].values()
    assert list(students) == [f"taught by {method}" for method in results.grid.methods]
    assert students["taught by oneshot"].judgement.estimate.n == 1
    folder = results.files.where / "cka/vgg16-digits-0.8-0"
    write_matrix(folder, "student-oneshot", "oneshot", ["a", "b"], ["c", "d"])
    [later] = judge(again(results))[CLAIMS[5]].values()
    assert series(later["taught by oneshot"]) != series(students["taught by oneshot"])


def test_training_accuracy_decides_who_trains_better(tmp_path):
    """Three points more on the training batches in every step, give or take a tenth."""
    results = results_of(tmp_path)
    for seed in range(3):
        for name, cell in (("dense", f"vgg16-digits-{seed}"), ("oneshot", f"vgg16-digits-0.8-{seed}")):
            value = 0.8 + (0.03 + 0.001 * seed) * (name != "dense")
            rows = [(step, "trained", value + 0.02, 0.0, 0) for step in (10, 20, 30, 40)]
            write_history(results.files.where / f"finetune/{cell}/{name}.csv", rows)
        write_history(results.files.where / f"prune/vgg16-digits-0.8-{seed}/oneshot.csv", [(0, "start", 0.8, 0.0, 0)])
    [trains] = judge(again(results))[CLAIMS[4]].values()
    assert (
        series(trains["oneshot − dense"]) == pytest.approx({0: 3.0, 1: 3.1, 2: 3.2})
        and trains["oneshot − dense"].verdict == "better"
    )


def test_one_seed_decides_nothing_and_tables_say_so(tmp_path):
    results = results_of(tmp_path, seeds=(0,))
    judged = judge(results)
    table = claims_table(judged)
    assert table["conclusion of the paper"].tolist() == [claim.text for claim in CLAIMS]
    assert len(CLAIMS) == 7
    assert set(table["in these networks"]) == {OPEN}
    cells = cells_table(judged)
    assert len(cells) == 7
    assert set(cells["what would decide it"]) == {"three seeds or more"}
    first = row(cells, **{"no.": "1"})
    assert first["differences"] == "iterative − oneshot: +0.6 not enough data; iterative − layerwise: +2.8 not enough data"


def test_a_study_without_a_method_is_not_judged_on_it(tmp_path):
    results = results_of(tmp_path, methods=("oneshot", "iterative"))
    table = claims_table(judge(results))
    assert {row(table, **{"no.": number})["in these networks"] for number in "1234"} == {NOT_RUN}, "not on a part of the sentence"
    empty = opened(tmp_path / "none", results.grid)
    assert set(claims_table(judge(empty))["in these networks"]) == {NOT_RUN}


def test_layers_of_student_and_teacher_meet_at_the_nearest_depth():
    """Four layers against six: at 0, 1.67, 3.33 and 5 the nearest are 0, 2, 3 and 5."""
    matrix = np.zeros((4, 6))
    matrix[[0, 1, 2, 3], [0, 2, 3, 5]] = 1.0
    assert measures.halves(named(matrix)) == (1.0, 1.0)


def test_the_mean_over_cells_of_one_seed_is_their_mean(tmp_path):
    """Not the first cell's number; and it shows nothing."""
    results = results_of(tmp_path, models=("vgg16", "densenet169"), seeds=(0,))
    cells = judge(results)[CLAIMS[0]]
    [of] = [of for name, of in over_study(cells).items() if name == "iterative − oneshot"]
    each = [cell["iterative − oneshot"].judgement.estimate.mean for cell in cells.values()]
    results.summary.loc[
        (results.summary["model"] == "densenet169") & (results.summary["method"] == "oneshot"), "balanced_accuracy"
    ] -= 0.1
    cells = judge(again(results))[CLAIMS[0]]
    [of] = [of for name, of in over_study(cells).items() if name == "iterative − oneshot"]
    assert of.here.estimate.mean == pytest.approx((each[0] + each[1] + 10) / 2) and of.here.verdict == OPEN
