"""Where torchvision's ImageNet weights come from: the folders, torch's cache, a download whose hash is checked."""

import hashlib
import io
import re
from email.message import Message
from urllib.error import URLError
from urllib.response import addinfourl

import pytest
import torch

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, build
from prunescope.pretrained import published
from prunescope.study.architectures import ARCHITECTURES

TINY = "squeezenet1_1"


def filename(name: str) -> str:
    return published.published(name).url.rsplit("/", 1)[-1]


def test_the_first_folder_that_has_the_file_is_taken(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folders = [tmp_path / "weights", tmp_path / "mirror"]
    for folder in (tmp_path / "torch" / "hub" / "checkpoints", *reversed(folders)):
        folder.mkdir(parents=True)
        torch.save(build(Architecture(TINY, 1000)).state_dict(), folder / filename(TINY))
        assert published.find(TINY, folders) == folder / filename(TINY)


def test_without_network_the_error_says_where_to_put_the_file(tmp_path, monkeypatch) -> None:
    def offline(*_, **__) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(PrunescopeError) as error:
        published.find(TINY, [tmp_path / "weights"])
    for part in ("no route to host", str(tmp_path / "weights" / filename(TINY)), "or use init: random"):
        assert part in str(error.value)


def test_a_download_is_kept_if_its_hash_is_the_published_one(tmp_path, monkeypatch) -> None:
    data = b"weights"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", lambda *_, **__: addinfourl(io.BytesIO(data), Message(), ""))
    with pytest.raises(PrunescopeError, match="invalid hash value"):
        published.find(TINY, [])
    assert not list(tmp_path.rglob("*.pth"))

    class Right:
        url = f"https://example.org/x-{hashlib.sha256(data).hexdigest()[:8]}.pth"

    monkeypatch.setattr(published, "published", lambda _: Right)
    assert published.find(TINY, []).read_bytes() == data


def test_every_architecture_has_a_file_with_a_hash_for_the_images_it_is_built_for() -> None:
    for name in ARCHITECTURES:
        weights = published.published(name)
        assert re.search(r"-[0-9a-f]{8,}\.pth$", weights.url), name
        assert not name.startswith("vit") or weights.meta["min_size"] == (224, 224), name
    assert len(ARCHITECTURES) == 80
