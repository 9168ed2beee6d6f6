"""As little data as is taken runs through all stages to the report; less is refused by the first one, before any training."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prunescope.data.splits import LEAST_TEST
from prunescope.errors import PrunescopeError
from prunescope.similarity.hsic import LEAST
from tiny import run_study, tiny_params


def own(folder: Path, *, classes: int, images: int, test_fraction: float) -> dict[str, Any]:
    """Class folders of so many images a class, and the params of a tiny study on them."""
    for number in range(classes * images):
        path = folder / "images" / f"class-{number % classes}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((32, 32), 20 + number).convert("RGB").save(path)
    content = tiny_params()
    content["study"] |= {"datasets": ["own"], "methods": ["oneshot", "layerwise", "iterative"], "other_methods": []}
    content["cka"]["probe_images"] = LEAST["debiased"]
    recipe = content["data"]["own"]
    recipe["prepare"] |= {"path": "images", "image_size": 32, "test_fraction": test_fraction}
    recipe["network"]["width"] = 0.0625
    for budget in ("pretrain", "finetune", "distill"):
        recipe[budget]["epochs"] = 6  # of a step each: fewer would not do for layerwise pruning
    return content


@pytest.mark.parametrize(
    ("classes", "images", "test_fraction", "table"), [pytest.param(2, 4, 0.5, False, marks=pytest.mark.slow), (3, 4, 0.5, True)]
)
def test_the_least_data_gives_a_report(tmp_path, classes, images, test_fraction, table):
    """docs/own-images.md says so. Of three classes four probe images would be three, one of each, which CKA cannot take.

    What a table says of the images reaches the report by the predictions alone.
    """
    content = own(tmp_path, classes=classes, images=images, test_fraction=test_fraction)
    if table:
        files = sorted(path.relative_to(tmp_path / "images") for path in (tmp_path / "images").rglob("*.png"))
        rows = [f"{file},{file.parent},{'ab'[number % 2]},Mrs {number}\n" for number, file in enumerate(files)]
        (tmp_path / "images" / "table.csv").write_text("".join(["file,label,camera,name\n", *rows]), encoding="utf-8")
        content["data"]["own"]["prepare"]["path"] = "images/table.csv"
    assert run_study(tmp_path, content) == 27
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "layerwise" in page and "not run" not in page
    assert ("## Who pays, by subgroup" in page) == ("| camera: a |" in page) == ("name of own (12 values)" in page) == table
    for path in (tmp_path / "metrics" / "evaluate").rglob("*-predictions.csv"):
        assert path.read_text(encoding="utf-8").startswith(
            "name,group,actual,predicted,auc_share" + (",camera\n" if table else "\n")
        )
        assert "Mrs" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("classes", "images", "found"), [(2, 3, 2), (3, 3, 3), (2, 7, 2)])
def test_less_is_refused_before_training(tmp_path, classes, images, found):
    content = own(tmp_path, classes=classes, images=images, test_fraction=0.2)
    with pytest.raises(PrunescopeError, match=f"found {found} images in test, wanted at least 4"):
        run_study(tmp_path, content)
    assert not (tmp_path / "prepared").exists()


def test_the_least_is_what_similarity_needs():
    assert LEAST["debiased"] == LEAST_TEST
