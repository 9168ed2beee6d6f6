"""Further levels and controls of a study: how they are written, which models have them, which names they take."""

from pathlib import Path

import pytest
import yaml
from test_params import CONTENT, changed

from prunescope.errors import PrunescopeError
from prunescope.study import contradictions
from prunescope.study.params import load


@pytest.mark.parametrize(("changes", "said"), [
    ({"study__narrow": ["vgg13"]}, "study.narrow: found vgg13, wanted some of study.models"),
    ({"study__channels": ["vgg13"]}, "study.channels: found vgg13, wanted some of study.models"),
    ({"study__taught": ["vgg13"]}, "study.taught: found vgg13, wanted some of study.models"),
    ({"sensitivity__models": ["vgg13"]}, "sensitivity.models: found vgg13, wanted some of study.models: vgg16_bn, densenet169"),
    ({"sensitivity__levels": [0.5, 0.5]}, "sensitivity.levels: found [0.5, 0.5], wanted at least one, none twice"),
    ({"sensitivity__levels": [0.5, 1.0]}, "sensitivity.levels[1]: found 1.0, wanted a fraction in [0, 1)"),
    ({"sensitivity__images": 0}, "sensitivity.images: found 0, wanted a whole number of at least 1"),
    ({"study__models": ["resnet18"], "study__narrow": ["resnet18"], "distill__teachers": []}, "study.narrow: found resnet18, wa"),
    ({"study__models": ["vit_b_16"], "study__channels": ["vit_b_16"]}, "study.channels: found vit_b_16, wanted VGG, DenseN"),
    ({"study__name": "a b/c"}, "study.name: found 'a b/c', wanted letters, digits, ., - and _"),
    ({"study__name": ".."}, "study.name: found '..', wanted letters"),
    ({"prune__layerwise__recovery": "teacher"}, "prune.layerwise.recovery: found 'teacher', wanted 'labels'"),
    ({"prune__channels": CONTENT["prune"]["random"]}, "prune.channels: found a name that the metrics and tables use"),
    ({"prune__narrow": CONTENT["prune"]["random"]}, "prune.narrow: found a name that the metrics and tables use"),
])  # fmt: skip
def test_controls_that_cannot_be_are_refused(tmp_path, changes, said) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed(**changes)))
    with pytest.raises(PrunescopeError) as refused:
        load(tmp_path / "params.yaml")
    assert f"\n  {said}" in str(refused.value)


@pytest.mark.parametrize("models", [[], ["vgg16_bn"]])
def test_channels_without_torch_pruning_are_refused_before_any_work(tmp_path, monkeypatch, models) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed(study__channels=models)))
    monkeypatch.setattr(contradictions, "find_spec", lambda name: None if name == "torch_pruning" else name)
    if not models:
        assert load(tmp_path / "params.yaml").study.channels == ()
        return
    with pytest.raises(PrunescopeError) as refused:
        load(tmp_path / "params.yaml")
    assert "study.channels: found vgg16_bn but no package torch_pruning, wanted it" in str(refused.value)
    assert "pip install 'prunescope[channels]'" in str(refused.value)


@pytest.mark.parametrize("place", [None, 2])
def test_no_sparsity_is_written_as_a_fraction(tmp_path, place) -> None:
    """DVC names the cell after the text 0, Python after 0.0: the report would find nothing."""

    def write(level: float) -> Path:
        others = [level if at == place else 0.8 for at in range(4)]
        content = changed(sparsity=0.8 if place else level, compare_sparsities=others)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        return tmp_path / "params.yaml"

    with pytest.raises(PrunescopeError) as refused:
        load(write(0))
    assert f"{'compare_sparsities[2]' if place else 'sparsity'}: found 0, wanted it as 0.0" in str(refused.value)
    assert 0.0 in load(write(0.0)).sparsities


@pytest.mark.parametrize("control", ["narrow", "channels"])
def test_a_smaller_control_needs_a_method_that_prunes_all_layers(tmp_path, control) -> None:
    """It has as many parameters as that one leaves."""
    some = {f"prune__{name}__exclude": ["classifier.6"] for name in ("oneshot", "layerwise", "iterative")}
    for change in (some, dict(list(some.items())[:2])):
        content = changed(**change, **{f"study__{control}": ["vgg16_bn"]})
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        if len(change) < 3:
            assert getattr(load(tmp_path / "params.yaml").study, control) == ("vgg16_bn",)
            continue
        with pytest.raises(PrunescopeError) as refused:
            load(tmp_path / "params.yaml")
        assert f"study.{control}: found layers that stay dense in every prune.<method>.exclude" in str(refused.value)
