"""HAM10000 in every form it may come in, with and without ISIC 2018's test set."""

import hashlib
import io

import numpy as np
import pytest
from ham_fakes import ham, truth, write_ham, write_test_set
from PIL import Image
from source_fakes import run, write_tree, write_zip

from prunescope.data import store
from prunescope.sources import ham10000


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(ham10000, "IMAGES", 36)
    monkeypatch.setattr(ham10000, "TEST_IMAGES", (24,))


def test_all_forms_of_ham_give_the_same_images_and_no_lesion_leaks(tmp_path):
    images, table = ham()
    write_ham(tmp_path / "zips" / "ham10000", images, table)
    write_ham(tmp_path / "bare", images, "\ufeff" + ham(columns=8)[1].replace(".0,male", ",male"))
    twice = {f"{part}/{name}": data for part in ("HAM10000_images_part_1", "ham10000_images_part_1") for name, data in
             images.items()}  # fmt: skip
    write_tree(tmp_path / "files" / "ham10000", twice | {"HAM10000_metadata.csv": table.encode()})
    kept = []
    for mirror in ("zips", "bare", "files"):
        found = run("ham10000", tmp_path / f"out-{mirror}", mirror=tmp_path / mirror)
        assert (found["classes"], found["groups"], found["groups_in_two_splits"]) == (2, 24, 0)
        assert found["train_images"] + found["val_images"] + found["test_images"] == 36
        assert 0.3 < found["random_split_leak"] < 0.6
        kept.append([(tmp_path / f"out-{mirror}" / name).read_bytes() for name in ("images.npy", "index.csv")])
    assert kept[0] == kept[1] == kept[2]
    read = store.read(tmp_path / "out-zips")
    assert read.classes == ("mel", "nv") and read.names.tolist() == sorted(name[:-4] for name in images)
    assert {name: cells[[0, 3, 9]].tolist() for name, cells in read.columns.items()} == {
        "age": ["0", "1", "unknown"], "sex": ["male"] * 3, "localization": ["back"] * 3,
    }  # fmt: skip
    assert read.groups[9] == "HAM_005" and found["columns"] == {"age": 24, "sex": 1, "localization": 1}
    assert [read.groups[0], read.groups[2], read.groups[3]] == ["HAM_000", "HAM_000", "HAM_001"]
    # 40 x 32 to 32 x 32: the centre is cut out and not resized
    first = Image.open(io.BytesIO(images["ISIC_0000000.jpg"])).convert("RGB").crop((4, 0, 36, 32))
    assert np.array_equal(read.images[0], np.asarray(first))
    assert [file["official"] for file in read.provenance["files"]] == [False] * 3


def dataverse(table: str, delimiter: str) -> str:
    """The challenge's table as Dataverse has it: like the metadata, with lesions."""
    rows = [line.split(",") for line in table.splitlines()[1:]]
    kinds = {row[0]: "mel" if row[1] == "1.0" else "nv" for row in rows}
    lines = [[f"HAMTEST_{n:07}", name, kind, "histo"] for n, (name, kind) in enumerate(kinds.items())]
    return "".join(delimiter.join(line) + "\n" for line in [["lesion_id", "image_id", "dx", "dx_type"], *lines])


def test_the_test_set_of_isic_2018_in_all_its_forms(tmp_path):
    images, table = truth()
    name = "ISIC2018_Task3_Test"
    for form in ("challenge", "dataverse", "files"):
        write_ham(tmp_path / form / "ham10000", *ham())
    write_test_set(tmp_path / "challenge" / "ham10000", images, table)
    write_zip(tmp_path / "dataverse/ham10000" / f"{name}_Images.zip", images)
    (tmp_path / "dataverse/ham10000" / f"{name}_GroundTruth.tab").write_text(dataverse(table, "\t"))
    write_tree(tmp_path / "files/ham10000" / f"{name}_Images" / f"{name}_Images", images)
    (tmp_path / "files/ham10000" / f"{name}_GroundTruth").mkdir()
    (tmp_path / "files/ham10000" / f"{name}_GroundTruth" / f"{name}_GroundTruth.csv").write_text(dataverse(table, ","))
    kept = []
    for form in ("challenge", "dataverse", "files"):
        found = run("ham10000", tmp_path / f"out-{form}", mirror=tmp_path / form, test_fraction=None)
        assert found["train_images"] + found["val_images"] == 36 and found["test_images"] == 24
        assert found["images_per_class"]["test"] == {"mel": 8, "nv": 16} and found["groups"] == 24 + 24
        kept.append((tmp_path / f"out-{form}" / "images.npy").read_bytes())
    assert kept[0] == kept[1] == kept[2]
    read = store.read(tmp_path / "out-dataverse")
    test = read.indices("test")
    assert read.names[test].tolist() == sorted(file[:-4] for file in images)
    assert read.groups[test][0] == "HAMTEST_0000000"
    ages = read.columns["age"]
    assert set(ages[test]) == {"unknown"} and "3" in np.delete(ages, test), "the test set's table has no persons, HAM10000's has"
    files = store.read(tmp_path / "out-files").provenance["files"]
    assert [(file["name"], file.get("files")) for file in files] == [
        ("HAM10000_images_part_1.zip", None), ("HAM10000_images_part_2.zip", None), ("HAM10000_metadata.csv", None),
        (f"{name}_GroundTruth.csv", None), ("JPEG files", 24),
    ]  # fmt: skip
    # Without being asked for, it changes nothing, even where it lies among the images.
    write_tree(tmp_path / "loose/ham10000", ham()[0] | {"HAM10000_metadata.csv": ham()[1].encode()})
    write_tree(tmp_path / "loose/ham10000" / f"{name}_Input", images)
    assert run("ham10000", tmp_path / "out", mirror=tmp_path / "loose")["groups"] == 24


@pytest.mark.parametrize("name", ["HAM10000_metadata.tab", "HAM10000_metadata"])
def test_the_table_as_dataverse_reexports_it(tmp_path, name):
    images, table = ham()
    write_tree(tmp_path / "mirror/ham10000/any", {file.replace(".jpg", ".JPEG"): data for file, data in images.items()})
    (tmp_path / "mirror/ham10000" / name).write_text(table.replace(",", "\t"))
    assert run("ham10000", tmp_path / "out", mirror=tmp_path / "mirror")["groups"] == 24
    first, second = store.read(tmp_path / "out").provenance["files"]
    assert (first["name"], second["name"], second["files"]) == (name, "JPEG files", 36)
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {file[:-4]}\n" for file, data in sorted(images.items()))
    assert second["sha256"] == hashlib.sha256(lines.encode()).hexdigest()
