"""Image files: the same answer as of the prepared store, broken ones named, unlike ones remarked upon."""

import csv
import io
import json
import threading
import time

import numpy as np
import pytest
import torch
from deploy_networks import INPUTS, pruned, saved
from PIL import Image

from prunescope.__main__ import main
from prunescope.data.store import read as read_store
from prunescope.deploy import pictures
from prunescope.deploy.loading import load
from prunescope.deploy.pictures import files_of, square
from prunescope.deploy.predicting import as_csv, as_json, as_table, predict
from prunescope.errors import PrunescopeError
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture
from prunescope.networks.inputs import Inputs
from prunescope.networks.predict import predict as predict_store

CPU = torch.device("cpu")


def write(path, *, size=(40, 36), mode="RGB", seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"RGB": (3,), "L": ()}[mode]
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], *channels), dtype=np.uint8)).save(path)
    return path


def test_files_give_the_numbers_of_the_store(tmp_path, digits_store):
    store = read_store(digits_store)
    architecture = Architecture("vgg11_bn", 10, 0.125, "cifar", "compact")
    network = load(saved(tmp_path, architecture=architecture, inputs=Inputs.of(store, "digits")))
    test = store.indices("test")
    for place, position in enumerate(test):
        Image.fromarray(store.images[position]).save(tmp_path / f"{place:05}.png")
    found = list(predict(network, files_of([tmp_path]), device=CPU, batch_size=50))
    logits, _ = predict_store(network, store, "test", device=CPU)
    wanted = logits.double().softmax(1)
    assert len(found) == len(test)
    assert torch.allclose(torch.tensor([said.probabilities for said in found], dtype=torch.float64), wanted, atol=1e-5)
    assert [said.predicted for said in found] == [str(int(number)) for number in logits.argmax(1)]


def test_broken_files_stop_no_other(tmp_path):
    network = load(saved(tmp_path))
    images = [write(tmp_path / "a" / "1.png"), tmp_path / "a" / "2.png", write(tmp_path / "a" / "3.jpg")]
    images[1].write_bytes(b"\x89PNG broken")
    found = list(predict(network, files_of([tmp_path / "a"]), device=CPU, batch_size=2))
    assert [said.path for said in found] == images
    assert [bool(said.error) for said in found] == [False, True, False] and "PNG" in found[1].error
    assert not found[1].probabilities and found[0].predicted in network.classes


@pytest.mark.parametrize(
    ("name", "options", "remark"),
    [
        ("small.png", {"size": (20, 30)}, "only 20 x 30 pixels, enlarged to 32"),
        ("grey.png", {"mode": "L"}, "grey, and the training images are in colour"),
        ("wide.png", {"size": (200, 40)}, "200 x 40 pixels: only the centre square is seen"),
        ("plain.png", {}, ""),
    ],
)
def test_images_unlike_those_of_training_are_remarked_upon(tmp_path, name, options, remark):
    assert square(write(tmp_path / name, **options), INPUTS)[1] == remark


def test_colour_where_training_was_grey(tmp_path):
    grey = Inputs("xray", ("a", "b"), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), 32)
    assert square(write(tmp_path / "a.png"), grey)[1] == "in colour, and the training images are grey"
    assert square(write(tmp_path / "b.png", mode="L"), grey)[1] == ""


def test_folders_hold_their_images_alone(tmp_path):
    wanted = [write(tmp_path / "b" / "x.PNG"), write(tmp_path / "b" / "y" / "z.jpeg")]
    (tmp_path / "b" / "notes.txt").write_text("no image")
    (tmp_path / "b" / "1.2.840.1").write_bytes(b"\0" * 128 + b"DICM")
    wanted.append(tmp_path / "b" / "1.2.840.1")
    write(tmp_path / "b" / ".hidden" / "q.png")
    assert files_of([tmp_path / "b"]) == sorted(wanted)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PrunescopeError, match="found no image in"):
        files_of([tmp_path / "empty"])
    with pytest.raises(PrunescopeError, match="found nothing at"):
        files_of([tmp_path / "none"])


def test_forms_say_the_same(tmp_path):
    network = load(saved(tmp_path))
    (tmp_path / "i").mkdir()
    write(tmp_path / "i" / "a.png")
    (tmp_path / "i" / "b.png").write_bytes(b"")
    found = list(predict(network, files_of([tmp_path / "i"]), device=CPU))
    table = list(as_table(found, network.classes))
    assert found[0].predicted in table[1] and "cannot be read: the file is empty" in table[2]
    rows = list(csv.DictReader(io.StringIO("\n".join(as_csv(found, network.classes)))))
    assert [float(rows[0][f"p_{name}"]) for name in network.classes] == list(found[0].probabilities)
    assert rows[1]["class"] == "" and rows[1]["error"] == "the file is empty"
    first, second = json.loads("\n".join(as_json(found, network.classes)))
    assert first["class"] == found[0].predicted and sum(first["probabilities"].values()) == pytest.approx(1)
    assert second["class"] is None and second["error"] == "the file is empty"


@pytest.mark.parametrize(("large", "most"), [(100, 1), (10_000, 4)])
def test_large_originals_are_decoded_one_at_a_time(tmp_path, monkeypatch, large, most):
    """Each takes up to 1.5 GB while it is converted."""
    at_once, seen, together = [], [], threading.Barrier(4)

    def fit(image, size):
        at_once.append(image)
        if most > 1:
            together.wait(timeout=30)  # all four are here, or it breaks
        else:
            time.sleep(0.05)
        seen.append(len(at_once))
        at_once.pop()
        return np.zeros((size, size, 3), dtype=np.uint8), []

    monkeypatch.setattr(pictures, "fit", fit)
    monkeypatch.setattr(pictures, "LARGE", large)
    found = list(predict(load(saved(tmp_path)), [write(tmp_path / "a.png")] * 4, device=CPU, workers=4))
    assert not any(said.error for said in found) and max(seen) == most


@pytest.mark.parametrize("form", [as_csv, as_json])
def test_answers_are_written_as_they_come(tmp_path, form):
    """A hundred thousand images of a thousand classes need no more memory than one batch."""
    network = load(saved(tmp_path))
    paths, read = [write(tmp_path / "a.png")] * 6, []

    def found():
        for said in predict(network, paths, device=CPU, batch_size=1):
            read.append(said)
            yield said

    lines = form(found(), network.classes)
    next(lines), next(lines)
    assert len(read) < 3


def test_names_that_are_no_text_lose_no_answer(tmp_path, capsys, monkeypatch):
    path = saved(tmp_path)
    try:
        image = write(tmp_path / "i" / "a\udcff.png")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    for form in ("table", "csv", "json"):
        for out in ((), ("--out", str(tmp_path / "said"))):
            words = ["prunescope", "predict", str(path), str(image), "--device", "cpu", "--format", form, *out]
            monkeypatch.setattr("sys.argv", words)
            assert main() == 0
            said = (tmp_path / "said").read_text() if out else capsys.readouterr().out
            assert "a\\udcff.png" in said
    assert len(json.loads(said)) == 1


def test_a_place_that_cannot_be_written_is_said_before_any_work(tmp_path, capsys, monkeypatch):
    path, image = saved(tmp_path), write(tmp_path / "i" / "a.png")
    (tmp_path / "no folder").write_text("")
    monkeypatch.setattr("prunescope.deploy.predicting._read", lambda *_: pytest.fail("an image was read"))
    out = tmp_path / "no folder" / "said.csv"
    monkeypatch.setattr("sys.argv", ["prunescope", "predict", str(path), str(image), "--format", "csv", "--out", str(out)])
    assert main() == 1 and "no folder" in capsys.readouterr().err


def test_full_float32_is_asked_for(tmp_path, monkeypatch):
    """On a GPU torch would round the factors of convolutions; the test split was measured without."""
    asked = []
    monkeypatch.setattr("prunescope.runtime.prepare", lambda *given: asked.append(given))
    words = ["prunescope", "predict", str(saved(tmp_path)), str(write(tmp_path / "a.png")), "--device", "cpu"]
    monkeypatch.setattr("sys.argv", words)
    assert main() == 0 and asked == [(0, CPU)]


def test_the_command(tmp_path, capsys, monkeypatch):
    path = saved(tmp_path)
    image = write(tmp_path / "i" / "a.png")

    def run(*arguments) -> int:
        monkeypatch.setattr("sys.argv", ["prunescope", "predict", *map(str, arguments)])
        return main()

    assert run(path, image, "--device", "cpu") == 0
    assert str(image) in capsys.readouterr().out
    assert run(path, tmp_path / "i", "--format", "csv", "--out", tmp_path / "said.csv", "--device", "cpu") == 0
    assert (tmp_path / "said.csv").read_text().startswith("file,class,remark,error,p_mel")
    (tmp_path / "i" / "b.png").write_bytes(b"")
    assert run(path, tmp_path / "i", "--device", "cpu") == 1
    shown = capsys.readouterr()
    assert "a.png" in shown.out and "1 of 2 images cannot be read" in shown.err
    checkpoint.write(path, pruned(inputs=None))
    assert run(path, image) == 1
    assert "does not say which images it takes" in capsys.readouterr().err
