"""Schedule and levels as two factors, controls, prune potential, and what foretells what, on planted numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prunescope.evidence import contrasts, foretelling, potential
from prunescope.results.grid import controls as arms_of_model
from prunescope.results.reading import Files
from prunescope.results.results import Results
from prunescope.results.summary import COLUMNS
from report_fakes import make_study

SIX = ("oneshot", "layerwise", "iterative", "oneshot-uniform", "layerwise-global", "iterative-uniform")
SEEDS = (0, 1, 2, 3)
THREE = ("oneshot", "layerwise", "iterative")


def planted(accuracy: dict[str, float], *, levels: tuple[float, ...] = (0.8,), noise: float = 0.001, **study) -> Results:
    """Networks of these accuracies at every level (minus a slope of 0.2 from 0.8 on), with noise by seed and network."""
    generator, rows = np.random.default_rng(1), []
    grid = make_study(models=("vgg16",), seeds=SEEDS, sparsities=levels, primary={"digits": "accuracy"}, **study)
    for method, level in arms_of_model(grid, "vgg16"):
        for seed in SEEDS:
            value = accuracy.get(method, 0.9) - 0.2 * max(level - 0.8, 0) * (method != "dense") + generator.normal(0, noise)
            kept = {"macs": 100.0, "nonzero_macs": 20.0 if method.endswith("uniform") else 48.0}
            key = {"dataset": "digits", "model": "vgg16", "kind": "any", "method": method, "sparsity": level, "seed": seed}
            rows.append(key | {"accuracy": value, "balanced_accuracy": value} | kept)
    return Results(grid, Files(Path("nowhere")), pd.DataFrame(rows, columns=list(COLUMNS)))


def effect(results: Results, of, name: str) -> tuple[float, str]:
    [found] = contrasts.judged(results, of).values()
    return found[name].judgement.estimate.mean, found[name].verdict


def test_levels_and_schedules_are_told_apart():
    """Uniform levels cost four points, whatever the schedule; layerwise two more, whatever the levels."""
    cost = {name: 0.04 * (name in ("layerwise", "oneshot-uniform", "iterative-uniform")) for name in SIX}
    cost["layerwise"] += 0.02
    cost["layerwise-global"] += 0.02
    results = planted({name: 0.9 - of for name, of in cost.items()}, methods=SIX)
    mean, verdict = effect(results, contrasts.factorial, "levels: uniform − global")
    assert mean == pytest.approx(-4, abs=0.15) and verdict == "worse"
    mean, verdict = effect(results, contrasts.factorial, "schedule: layerwise − oneshot")
    assert mean == pytest.approx(-2, abs=0.15) and verdict == "worse"
    mean, verdict = effect(results, contrasts.factorial, "schedule: iterative − oneshot")
    assert mean == pytest.approx(0, abs=0.15) and verdict == "equal within the margin"
    table = contrasts.levels_table(results)
    assert table["uniform: MACs left %"].tolist() == ["20.0", "48.0", "20.0"], "layerwise is the uniform one of its schedule"
    assert len(contrasts.table(results, contrasts.factorial)) == 7


def test_one_schedule_in_both_forms_is_no_factorial():
    assert contrasts.table(planted({}, methods=("oneshot", "oneshot-uniform")), contrasts.factorial).empty


def test_controls_say_whether_pruning_was_needed():
    methods = ("oneshot", "random", "oneshot-taught")
    values = {
        "base": 0.88,
        "dense": 0.9,
        "dense-taught": 0.92,
        "oneshot": 0.89,
        "oneshot-taught": 0.91,
        "narrow": 0.87,
        "channels": 0.86,
        "random": 0.5,
    }
    results = planted(values, methods=methods, narrow=("vgg16",), channels=("vgg16",), taught=("vgg16",))
    wanted = {
        "dense − base": 2, "dense-taught − dense": 2, "oneshot − narrow": 2, "oneshot − random": 39,
        "oneshot-taught − oneshot": 2, "oneshot-taught − dense-taught": -1, "random − narrow": -37, "oneshot-taught − narrow": 4,
        "channels − dense": -4, "channels − narrow": -1, "oneshot − channels": 3, "random − channels": -36,
        "oneshot-taught − channels": 5,
    }  # fmt: skip
    [found] = contrasts.judged(results, contrasts.controls).values()
    assert {name: round(of.judgement.estimate.mean) for name, of in found.items()} == wanted
    assert found["dense − base"].verdict == "better" and found["random − narrow"].verdict == "worse"


def test_a_base_without_channels_is_compared_with_what_is_there():
    """With dense in every cell, and with a narrow network only where there is one."""
    results = planted({"channels": 0.8}, methods=("oneshot",), channels=("vgg16",), levels=(0.8, 0.5))
    for found in contrasts.judged(results, contrasts.controls).values():
        assert [name for name in found if "channels" in name] == ["channels − dense", "oneshot − channels"]


def test_the_controls_of_no_level_are_compared_once():
    """The same numbers stood in the family once a level, and could have another verdict there by that cell's noise."""
    results = planted({}, methods=("oneshot", "oneshot-taught"), taught=("vgg16",), levels=(0.8, 0.5, 0.9))
    table = contrasts.table(results, contrasts.controls)
    for effect in ("dense − base", "dense-taught − dense"):
        assert table.loc[table["effect"] == effect, "sparsity %"].tolist() == ["50.0"]
    assert (table["effect"] == "oneshot-taught − oneshot").sum() == 3


def test_controls_that_did_not_run_have_no_row():
    results = planted({}, methods=("oneshot",), narrow=("vgg16",))
    summary = results.summary[results.summary["method"] != "narrow"]
    assert contrasts.table(Results(results.grid, results.files, summary), contrasts.controls)["effect"].tolist() == [
        "dense − base"
    ]


def test_prune_potential_is_the_last_level_without_a_loss_that_matters():
    """One-shot loses 1.5 points at 0.9, iterative as much at 0.98; the margin is one."""
    results = planted(
        {"oneshot": 0.905, "iterative": 0.92, "dense": 0.9, "layerwise": 0.88},
        levels=(0.8, 0.5, 0.9, 0.98), methods=("oneshot", "layerwise", "iterative"),
    )  # fmt: skip
    table = potential.table(results).set_index("method")
    assert table["no loss shown up to"].to_dict() == {"oneshot": "80 %", "layerwise": "–", "iterative": "90 %"}
    assert table["shown to be without loss up to"].to_dict() == {"oneshot": "80 %", "layerwise": "–", "iterative": "90 %"}
    noisy = planted({"oneshot": 0.895, "dense": 0.9}, levels=(0.8, 0.9), methods=("oneshot",), noise=0.03)
    [row] = potential.table(noisy).to_dict("records")
    assert (row["no loss shown up to"], row["shown to be without loss up to"]) == ("90 %", "–"), "few seeds show little"


@pytest.mark.parametrize("seeds", [(), (0,)])
def test_a_level_that_did_not_run_or_has_one_seed_ends_the_potential(seeds):
    results = planted({"oneshot": 0.905, "dense": 0.9}, levels=(0.5, 0.8, 0.98), methods=("oneshot",))
    highest = (results.summary["sparsity"] == 0.98) & ~results.summary["seed"].isin(seeds)
    [row] = potential.table(Results(results.grid, results.files, results.summary[~highest])).to_dict("records")
    assert (row["no loss shown up to"], row["shown to be without loss up to"]) == ("80 %", "80 %")


def test_one_level_has_no_potential():
    assert potential.table(planted({}, methods=("oneshot",))).empty


def said(before: dict[str, float]) -> tuple[str, str]:
    """Accuracies right after pruning, with noise by seed, beside 0.80, 0.85 and 0.90 at the end."""
    results = planted(dict(zip(THREE, (0.80, 0.85, 0.90), strict=True)), methods=THREE)
    noise = 0.01 * np.random.default_rng(0).normal(size=len(results.summary))
    values = results.summary["method"].map(before) + noise
    summary = results.summary.assign(accuracy_after_pruning=values, accuracy_after_reestimation=np.nan)
    [row] = pd.DataFrame(foretelling.table(Results(results.grid, results.files, summary))).to_dict("records")
    assert row["seeds of cells"] == str(len(SEEDS))
    return row["pairs in the same order"], row["foretells"]


@pytest.mark.parametrize(("before", "pairs", "word"), [
    ((0.100, 0.112, 0.2), "11 of 12", "the order of these"), ((0.2, 0.117, 0.100), "2 of 12", "the reverse of these"),
])  # fmt: skip
def test_it_speaks_of_these_methods(before, pairs, word):
    """Of three methods two independent orders are alike, or each other's reverse, in one study of three."""
    assert said(dict(zip(THREE, before, strict=True))) == (pairs, word)
