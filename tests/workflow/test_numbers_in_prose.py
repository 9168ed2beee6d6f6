"""Numbers and causes that sentences of the README and docs/ name are those of settings and kept results."""

import json
import tarfile
import tomllib
from statistics import fmean

import update_readme
from graph import ROOT, read_yaml
from pages import PAGES
from prunescope.evidence import beside
from prunescope.evidence.claims import FAILS, HOLDS
from prunescope.evidence.endpoints import by_seed
from prunescope.evidence.inference import EQUAL, OPEN
from prunescope.evidence.studywide import here, over_study
from prunescope.results.grid import BASE, DENSE, cells_of
from prunescope.training.rates import HELD

README = PAGES["README.md"]
PARAMS = read_yaml(ROOT / "params.yaml")


def test_numbers_in_sentences_are_those_of_the_settings():
    kept = read_yaml(ROOT / "results" / update_readme.STUDY / "params.yaml")
    assert "Networks of quarter width, which gain" in README
    assert len(kept["study"]["datasets"]) == 2
    assert {kept["data"][name]["network"]["width"] for name in kept["study"]["datasets"]} == {0.25}
    paper = "prunes ImageNet's weights and then trains 200 epochs on the target, at a constant rate, without weight decay or augm"
    studies = PAGES["docs/studies.md"].replace("\n", " ")
    assert paper in studies and "first pruning follows 20 epochs" in studies
    for name in ("cifar100-paper", "ham10000-paper"):
        recipe = PARAMS["data"][name]
        assert recipe["pretrain"]["epochs"] == 0 and recipe["finetune"]["schedule"] == "constant"
        assert recipe["finetune"]["epochs"] == 200 and recipe["epochs_per_round"] == 20
        training = recipe["training"]
        assert (training["weight_decay"], training["crop_padding"], training["flip"]) == (0, 0, "none")
    assert "for 70 % of the budget" in PAGES["docs/methods.md"] and HELD == 0.7
    for name in ("cifar100", "ham10000"):
        recipe = PARAMS["data"][name]
        assert (recipe["network"]["init"], recipe["network"]["width"]) == ("imagenet", 1.0)
        assert {recipe[budget]["epochs"] for budget in ("pretrain", "finetune", "distill")} == {200}
    assert "(the paper: 10 %)" in PAGES["docs/methods.md"]
    assert PARAMS["prune"]["iterative"]["step"] == 0.1
    assert "narrow networks, 80 %\nsparsity, one seed" in PAGES["docs/studies.md"]
    assert (PARAMS["sparsity"], len(PARAMS["study"]["seeds"]), PARAMS["data"]["digits"]["network"]["width"]) == (0.8, 1, 0.25)


def test_what_the_first_screen_says_of_convergence_and_causes_is_what_was_measured():
    results = update_readme.study()
    base, dense = (
        {cell: list(by_seed(results, cell, name).values()) for cell in cells_of(results.grid)} for name in (BASE, DENSE)
    )
    gains = [fmean(dense[cell]) - fmean(base[cell]) for cell in base if base[cell]]
    assert len(gains) > 4 and f"which gain at most {max(gains):.1f} points from further training" in README
    found = {
        claim.number: here(over_study(cells)) for claim, cells in beside.judged(results).items() if "same level" in claim.text
    }
    assert found.keys() == {2, 4} and not {HOLDS, OPEN} & {*found.values()}
    assert "because of its equal levels: beside such methods neither holds." in README


def test_what_is_said_of_single_conclusions_is_what_was_measured():
    """docs/results.md on conclusions 2, 3 and 5."""
    cells = {claim.number: cells for claim, cells in update_readme.judged(update_readme.study()).items()}
    assert (here(over_study(cells[5])), here(over_study(cells[5], 0.5))) == (FAILS, OPEN)
    assert here(over_study(cells[3])) == EQUAL and all(of.here.estimate.low > 0 for of in over_study(cells[3]).values())
    alone = {cell: of for cell, of in cells[2].items() if cell.dataset.startswith("ham10000")}
    estimates = [of.here.estimate for of in over_study(alone).values()]
    assert here(over_study(alone)) == HOLDS and all(of.low > 0 and of.mean < 1 for of in estimates)


def test_numbers_in_sentences_are_those_of_the_kept_data():
    with tarfile.open(ROOT / "results/decisive/metrics.tar.xz") as tar:
        names = [f"metrics/download/{name}-quarter.json" for name in ("cifar100", "ham10000")]
        cifar, ham = (json.load(tar.extractfile(name)) for name in names)  # type: ignore[arg-type]
    assert f"test for {ham['random_split_leak'] * 100:.1f} % of the test images" in PAGES["docs/data.md"]
    assert f"{cifar['duplicate_images']} of its images are exact copies" in PAGES["docs/data.md"]
    assert min(cifar["duplicates_across_splits"], cifar["duplicates_across_classes"]) > 0, "some across splits or classes"


def test_the_python_version_is_that_of_the_package():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert f"Python {wanted.removeprefix('>=')} or newer" in README
