"""Who pays, by subgroup, on planted data: the harmed one is named, the null names none, a small one is never named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prunescope.evidence import subgroup_errors, subgroups
from prunescope.evidence.subgroup_table import left_out, said, subgroup_table
from prunescope.results.reading import Files
from prunescope.results.results import Results
from report_fakes import CELL, make_study, row
from subgroup_fakes import images_of, planted


def named(results: Results) -> set[tuple[str, str, str, str, int]]:
    found = subgroups.findings(results)
    return {(of.method, of.part.column, of.part.name, of.part.measure, int(np.sign(of.value))) for of in found}


def women_lose(images: pd.DataFrame) -> np.ndarray:
    return 0.35 * (images["sex"] == "female").to_numpy()


def test_the_harmed_subgroup_is_named_and_those_without_harm_are_not():
    results = planted(images_of(500, each=2), {"layerwise": women_lose})
    found = named(results)
    assert ("layerwise", "sex", "female", "balanced accuracy", -1) in found
    assert ("layerwise", "sex", "female", "recall of mel", -1) in found
    assert all(method == "layerwise" and name != "male" and sign < 0 for method, _, name, _, sign in found)
    text = said(results)
    assert text.startswith("Shown to lose: sex: female (")
    assert "layerwise, vgg16 on digits at 80 %: −3" in text and "oneshot" not in text and "gain" not in text
    of_women = row(subgroup_table(results), subgroup="sex: female", measure="balanced accuracy")
    assert of_women["layerwise, points"].endswith("] •") and not of_women["oneshot, points"].endswith("•")


def test_what_gains_is_named_as_gaining():
    results = planted(images_of(500), {"iterative": lambda images: -women_lose(images) - 0.2})
    assert {sign for *_, sign in named(results)} == {1}
    assert said(results).startswith("Shown to gain: ")


def test_one_critical_class_of_one_subgroup():
    """Balanced accuracy of the subgroup falls by a third of it; the class is said, and can be asked for."""
    images = images_of(800)
    results = planted(images, {"oneshot": lambda of: 0.5 * ((of["sex"] == "female") & (of["actual"] == "mel")).to_numpy()})
    assert ("oneshot", "sex", "female", "recall of mel", -1) in named(results)
    other = replace(results, grid=replace(results.grid, critical=("b", "not there")))
    assert {change.part.measure for change in subgroups.every_change(other)} == {"balanced accuracy", "recall of b"}
    assert not any(change.part.measure == "recall of b" for change in subgroups.findings(other))


def test_a_small_subgroup_is_never_named():
    """All of its images are lost in every seed, and the page shows it with its number."""
    images = images_of(900)
    assert 0 < (images["site"] == "rare").sum() < subgroups.LEAST_GROUPS
    results = planted(images, {"oneshot": lambda of: 1.0 * (of["site"] == "rare").to_numpy()})
    assert not [name for _, _, name, _, _ in named(results) if name == "rare"]
    shown = row(subgroup_table(results), subgroup="site: rare", measure="balanced accuracy")
    assert shown["groups"] == "23" and shown["note"] == "too few to be named"
    assert float(shown["oneshot, points"].split()[0].replace("−", "-")) < -40
    assert "rare" not in said(results)


def test_few_images_of_the_critical_class_are_never_named():
    images = images_of(900)
    of_men = ((images["sex"] == "male") & (images["actual"] == "mel")).to_numpy()
    images.loc[np.flatnonzero(of_men)[subgroups.LEAST_CRITICAL - 1 :], "actual"] = "a"
    results = planted(images, {"oneshot": lambda of: 1.0 * ((of["sex"] == "male") & (of["actual"] == "mel")).to_numpy()})
    assert not [name for _, _, name, measure, _ in named(results) if (name, measure) == ("male", "recall of mel")]
    shown = row(subgroup_table(results), subgroup="sex: male", measure="recall of mel")
    assert (shown["images"], shown["groups"], shown["note"]) == ("9", "9", "too few to be named")


def test_groups_count_and_not_images():
    """A hundred images of twenty lesions are twenty."""
    images = images_of(40, each=5)
    assert all(change.part.small for change in subgroups.every_change(planted(images)) if change.part.name == "female")
    assert said(planted(images.assign(age="", site=""))).endswith("nothing can be shown: every subgroup is too small.")


@pytest.mark.parametrize(("shift", "each"), [(0.0, 3), (0.1, 1)])
def test_the_null_names_none(shift, each):
    """Family-wise, in studies where nothing is harmed: without network-wide shifts of a training, and with large ones."""
    images = images_of(240, each=each)
    wrong = [bool(named(planted(images, shift=shift, draw=draw))) for draw in range(25)]
    assert sum(wrong) <= 3, "at most 5 % of studies err: 4 or more of 25 have a chance of 3 %"
    assert said(planted(images, shift=shift)).startswith("No subgroup (age, sex, site) is shown to lose or gain by pruning")


def test_one_seed_names_nothing():
    results = planted(images_of(400), {"layerwise": women_lose}, seeds=1)
    assert not named(results)
    assert said(results).endswith("one seed does not say what another training would do.")
    shown = row(subgroup_table(results), subgroup="sex: female", measure="balanced accuracy")
    assert shown["layerwise, points"].startswith("−")


def test_numbers_by_hand():
    """Means of recall over classes with five groups or more, over seeds; intervals as wide as a binomial's."""
    images = images_of(200)
    images.loc[:3, ["actual", "sex"]] = ["b", "female"]
    images.loc[(images["sex"] == "female") & (images.index > 3) & (images["actual"] == "b"), "actual"] = "a"
    results = planted(images, {"oneshot": lambda of: 0.3 * (of["actual"] == "a").to_numpy()}, seeds=2)
    [found] = [
        change for change in subgroups.changes(results, CELL)
        if (change.method, change.part.name, change.part.measure) == ("oneshot", "female", subgroups.BALANCED)
    ]  # fmt: skip
    wanted = []
    for seed in (0, 1):
        networks = [results.predictions(CELL, seed, name) for name in ("dense", "oneshot")]
        tables = [of.table[of.table["sex"] == "female"] for of in networks if of is not None]
        recalls = [(t["actual"] == t["predicted"]).groupby(t["actual"]).mean()[["a", "mel"]].mean() for t in tables]
        wanted.append(recalls[1] - recalls[0])
    assert found.value == pytest.approx(np.mean(wanted)), "b has four groups and is left out"
    assert found.part.groups == int(found.part.images.sum()) == (images["sex"] == "female").sum()
    assert found.low < found.value < found.high


def test_few_that_all_changed_alike_are_judged_as_mcnemar_does():
    """Six of ten images lost and none won: 6 / √6 standard errors, where resampling alone would say 3.9."""
    change = -0.6
    variance, _ = subgroup_errors.of_groups(np.array([change]), np.array([0.024]), 0.024, np.array([10]))
    assert change / np.sqrt(variance) == pytest.approx(-6 / np.sqrt(6))


def test_what_seeds_move_is_at_least_what_it_is_on_average():
    """Two changes with the same error by images; seeds happen to agree about the first and not about the second."""
    quiet, moved = (
        subgroup_errors.Errors(groups=1e-4, groups_freedom=500, spread=of, churn=1e-4, own=0.0, seeds=3, seeds_freedom=6)
        for of in (1e-4, 31e-4)
    )
    alone, _ = subgroup_errors.p_values([quiet, quiet], [0.03, 0.03])
    beside, other = subgroup_errors.p_values([quiet, moved], [0.03, 0.03])
    assert alone == pytest.approx(0.0028, abs=2e-4), "t of 3 with 500 degrees of freedom: the seeds say churn alone"
    assert 0.1 < beside < other < 0.5, "half of the 30e-4 that the other moves beyond churn, over three seeds"


def test_all_images_are_shown_and_never_among_the_subgroups():
    results = planted(images_of(500), {"layerwise": lambda of: 0.5 * np.ones(len(of))})
    assert named(results) and not [name for _, _, name, _, _ in named(results) if name == subgroups.EVERY]
    shown = row(subgroup_table(results), subgroup="all images", measure="balanced accuracy")
    assert shown["images"] == "500" and not shown["layerwise, points"].endswith("•")


def test_studies_without_columns_say_nothing():
    images = images_of(60)[["name", "group", "actual"]]
    results = planted(images)
    assert not subgroups.changes(results, CELL) and said(results) == "" and subgroup_table(results).empty
    nothing = Results(make_study(), Files(Path("nowhere"), {}))
    assert said(nothing) == "" and subgroup_table(nothing).empty and left_out(nothing) == ""


def test_columns_that_predictions_do_not_carry_are_mentioned():
    results = planted(images_of(60))
    content = dict(results.files.content or {})
    content["download/digits.json"] = b'{"columns": {"age": 14, "remarks": 1203}}'
    note = left_out(Results(results.grid, Files(Path("nowhere"), content)))
    assert note.endswith("predictions have themselves): remarks of digits (1,203 values).")


def test_a_control_that_makes_the_noise_of_seeds_is_known_from_its_seeds_alone():
    """Six methods, three seeds: two degrees of freedom, not twelve, with which one family in ten had a false finding."""
    right = np.full((7, 3), 0.8)
    right[0] = 0.7, 0.9, 0.75
    spread, own, freedom = subgroup_errors.of_seeds(right)
    assert freedom == pytest.approx(2) and own == pytest.approx(np.full(6, right[0].var(ddof=1)))
    assert spread == pytest.approx(own[0] * 2 / 7)
