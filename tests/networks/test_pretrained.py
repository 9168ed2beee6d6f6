"""Where a network's first weights come from, and what of them fits."""

import pickle
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.pretrained import initialise

TINY = "squeezenet1_1"  # builds in a moment; a narrow VGG takes a second


def random_state(architecture: Architecture, seed: int = 5) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return build(architecture).state_dict()


def test_a_folded_classifier_is_the_same_function_of_a_1x1_map(tmp_path) -> None:
    published = Architecture("vgg11_bn", 7, width=0.05)
    compact = Architecture("vgg11_bn", 7, width=0.05, head="compact")
    source = build(published)
    save_file(source.state_dict(), tmp_path / "weights.safetensors")
    network = build(compact)
    assert initialise(network, compact, str(tmp_path / "weights.safetensors")) == []
    images = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        assert network.eval().features(images).shape[2:] == (1, 1)  # type: ignore[operator]
        torch.testing.assert_close(network(images), source.eval()(images), rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in network.parameters()) < sum(p.numel() for p in source.parameters()) / 2


def torchvision_file(name: str) -> str:
    from torchvision.models import get_model_weights

    return get_model_weights(name).DEFAULT.url.rsplit("/", 1)[-1]  # type: ignore[attr-defined]


def test_imagenet_weights_come_from_the_mirror_and_the_head_stays_random(tmp_path) -> None:
    source = random_state(Architecture(TINY, 1000))
    (tmp_path / "weights").mkdir()
    torch.save(source, tmp_path / "weights" / torchvision_file(TINY))
    architecture = Architecture(TINY, 7)
    network = build(architecture)
    assert initialise(network, architecture, "imagenet", tmp_path) == ["classifier.1.bias", "classifier.1.weight"]
    state = network.state_dict()
    fitted = [name for name in source if not name.startswith("classifier.1")]
    assert len(fitted) == 50
    assert all(torch.equal(state[name], source[name]) for name in fitted)


def test_all_of_densenets_published_weights_are_taken(tmp_path) -> None:
    """The published files have keys such as features.denseblock1.denselayer1.norm.1.weight."""
    architecture = Architecture("densenet121", 1000, width=0.1)
    source = random_state(architecture)
    parts = {f".{part}{n}.": f".{part}.{n}." for part in ("norm", "conv") for n in (1, 2)}
    published = {}
    for name, tensor in source.items():
        found = [part for part in parts if part in name and "denselayer" in name]
        published[name.replace(found[0], parts[found[0]]) if found else name] = tensor
    assert sum(".norm.1." in name for name in published) == 58 * 5
    (tmp_path / "weights").mkdir()
    torch.save(published, tmp_path / "weights" / torchvision_file("densenet121"))
    network = build(architecture)
    assert initialise(network, architecture, "imagenet", tmp_path) == []


def test_without_network_the_error_says_where_to_put_the_file(tmp_path, monkeypatch) -> None:
    def offline(url: str, *args, **options) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    architecture = Architecture(TINY, 7)
    with pytest.raises(PrunescopeError) as error:
        initialise(build(architecture), architecture, "imagenet", tmp_path)
    for part in ("no route to host", str(tmp_path / "weights" / torchvision_file(TINY)), "or use init: random"):
        assert part in str(error.value)


def test_downloaded_weights_are_read_as_tensors_only(tmp_path, monkeypatch) -> None:
    architecture = Architecture(TINY, 7)
    asked = {}

    def download(url: str, *args, **options) -> dict[str, Tensor]:
        asked.update(options)
        return random_state(architecture)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    initialise(build(architecture), architecture, "imagenet", tmp_path)
    assert asked.get("check_hash") is True
    assert asked.get("weights_only") is True


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def test_files_that_are_no_weights_are_refused_and_nothing_in_them_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    architecture = Architecture(TINY, 7)
    network = build(architecture)
    Path("evil.pth").write_bytes(pickle.dumps({"features.0.weight": Evil()}))
    Path("broken.safetensors").write_bytes(b"\x00" * 40)
    save_file({"other": torch.ones(3)}, "other.safetensors")
    wanted = {
        "evil.pth": "cannot be read as a file of tensors",
        "broken.safetensors": "cannot be read as a file of tensors",
        "other.safetensors": "none of its 1 tensors fits squeezenet1_1 at width 1.0",
        "nowhere.pth": "no file nowhere.pth; wanted random, imagenet, or a file",
    }
    for name, message in wanted.items():
        with pytest.raises(PrunescopeError) as error:
            initialise(network, architecture, name)
        assert message in str(error.value)
    assert not Path("executed").exists()
