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


@pytest.mark.parametrize(("classes", "images", "test_fraction"), [(2, 4, 0.5), (3, 4, 0.5)])
def test_the_least_data_gives_a_report(tmp_path, classes, images, test_fraction):
    """docs/own-images.md says so. Of three classes four probe images would be three, one of each, which CKA cannot take."""
    assert run_study(tmp_path, own(tmp_path, classes=classes, images=images, test_fraction=test_fraction)) == 21
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "layerwise" in page and "not run" not in page


@pytest.mark.parametrize(("classes", "images", "found"), [(2, 3, 2), (3, 3, 3), (2, 7, 2)])
def test_less_is_refused_before_training(tmp_path, classes, images, found):
    content = own(tmp_path, classes=classes, images=images, test_fraction=0.2)
    with pytest.raises(PrunescopeError, match=f"found {found} images in test, wanted at least 4"):
        run_study(tmp_path, content)
    assert not (tmp_path / "prepared").exists()


def test_the_least_is_what_similarity_needs():
    assert LEAST["debiased"] == LEAST_TEST
