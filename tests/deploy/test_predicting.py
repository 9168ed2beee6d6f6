"""Image files: the same answer as of the prepared store, broken ones named, unlike ones remarked upon."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from deploy_networks import INPUTS, pruned, saved
from PIL import Image

from prunescope.__main__ import main
from prunescope.data.store import read as read_store
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
    write(tmp_path / "b" / ".hidden" / "q.png")
    assert files_of([tmp_path / "b"]) == sorted(wanted)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PrunescopeError, match="found no image in"):
        files_of([tmp_path / "empty"])
    with pytest.raises(PrunescopeError, match="found nothing at"):
        files_of([tmp_path / "none"])


def test_dicom_is_read_as_its_window_says(tmp_path):
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'prunescope[dicom]'")
    from pydicom.dataset import FileMetaDataset

    values = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    for kind in ("MONOCHROME2", "MONOCHROME1"):
        data = pydicom.Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 64, 64, 1, kind
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
        data.WindowCenter, data.WindowWidth = 2048, 1024
        data.SOPClassUID, data.SOPInstanceUID = pydicom.uid.SecondaryCaptureImageStorage, pydicom.uid.generate_uid()
        data.PixelData = values.tobytes()
        data.save_as(tmp_path / f"{kind}.dcm", enforce_file_format=True)
    grey = Inputs("xray", ("a", "b"), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), 64)
    normal, inverse = (square(tmp_path / f"{kind}.dcm", grey)[0] for kind in ("MONOCHROME2", "MONOCHROME1"))
    assert normal[0, 0, 0] == 0 and normal[-1, -1, 0] == 255 and 120 < normal[32, 0, 0] < 136  # the window's ends and middle
    assert np.abs(normal.astype(int) + inverse - 255).max() <= 1


def test_forms_say_the_same(tmp_path):
    network = load(saved(tmp_path))
    (tmp_path / "i").mkdir()
    write(tmp_path / "i" / "a.png")
    (tmp_path / "i" / "b.png").write_bytes(b"")
    found = list(predict(network, files_of([tmp_path / "i"]), device=CPU))
    table = as_table(found, network.classes).splitlines()
    assert found[0].predicted in table[1] and "cannot be read: the file is empty" in table[2]
    rows = list(csv.DictReader(io.StringIO(as_csv(found, network.classes))))
    assert [float(rows[0][f"p_{name}"]) for name in network.classes] == list(found[0].probabilities)
    assert rows[1]["class"] == "" and rows[1]["error"] == "the file is empty"
    first, second = json.loads(as_json(found, network.classes))
    assert first["class"] == found[0].predicted and sum(first["probabilities"].values()) == pytest.approx(1)
    assert second["class"] is None and second["error"] == "the file is empty"


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
