"""HAM10000: small fakes of every form it may come in, and what may be wrong with them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from source_fakes import encoded, picture, run, write_tree, write_zip

from prunescope.data import store
from prunescope.errors import PrunescopeError


def ham(columns: int = 7) -> tuple[dict[str, bytes], str]:
    """JPEGs and table of 24 lesions of two diagnoses, every fourth with three images."""
    header = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset"][:columns]
    lines, images = [",".join(header)], {}
    for lesion in range(24):
        for _ in range(3 if lesion % 4 == 0 else 1):
            name = f"ISIC_{len(images):07}"
            images[name + ".jpg"] = encoded(picture(len(images), (40, 32)), "JPEG")
            row = [f"HAM_{lesion:03}", name, "nv" if lesion < 16 else "mel", "histo", "", "male", "back", "vidir"]
            lines.append(",".join(row[:columns]))
    return images, "\n".join([lines[0], *reversed(lines[1:])]) + "\n"


def write_ham(folder: Path, images: dict[str, bytes], table: str) -> None:
    half = len(images) // 2
    write_zip(folder / "HAM10000_images_part_1.zip", dict(list(images.items())[:half]))
    write_zip(folder / "HAM10000_images_part_2.zip", dict(list(images.items())[half:]))
    (folder / "HAM10000_metadata.csv").write_text(table, encoding="utf-8")


def test_all_forms_of_ham_give_the_same_images_and_no_lesion_leaks(tmp_path):
    images, table = ham()
    write_ham(tmp_path / "zips" / "ham10000", images, table)
    write_ham(tmp_path / "bare", images, "\ufeff" + ham(columns=8)[1])
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
    assert [read.groups[0], read.groups[2], read.groups[3]] == ["HAM_000", "HAM_000", "HAM_001"]
    # 40 x 32 to 32 x 32: the centre is cut out and not resized
    first = Image.open(io.BytesIO(images["ISIC_0000000.jpg"])).convert("RGB").crop((4, 0, 36, 32))
    assert np.array_equal(read.images[0], np.asarray(first))
    assert [file["official"] for file in read.provenance["files"]] == [False] * 3


def broken_ham(images: dict[str, bytes], table: str) -> dict[str, tuple[dict[str, bytes], str, str]]:
    lines = table.splitlines(keepends=True)
    few = "".join(line if line[:7] in ("HAM_022", "HAM_023") else line.replace(",mel,", ",nv,") for line in lines)
    cut = {"ISIC_0000005.jpg": images["ISIC_0000005.jpg"][:300]}
    return {
        "no lesions": (images, table.replace("lesion_id", "lesion"), r"wanted also lesion_id"),
        "another delimiter": (images, table.replace(",", ";"), r"wanted also dx, image_id, lesion_id"),
        "unknown diagnosis": (images, table.replace(",mel,", ",MEL,", 1), r"dx 'MEL'; wanted"),
        "an image twice": (images, table + lines[1], r"line 38: found image 'ISIC_"),
        "an empty lesion": (images, table.replace("HAM_003", ""), r"lesion ''"),
        "more rows than images": (dict(list(images.items())[1:]), table, r"found 35 images and 36 rows .*ISIC_0000000"),
        "more images than rows": (images, "".join(lines[:-1]), r"found 36 images and 35 rows .*ISIC_0000000"),
        "a cut image": (images | cut, table, r"cannot read the image ISIC_0000005\.jpg in .*part_1\.zip"),
        "text for an image": (images | {"ISIC_0000005.jpg": b"hello"}, table, r"image ISIC_0000005\.jpg in .*identify"),
        "two lesions of a class": (images, few, r"class 'mel' has too few images to split: found 2 groups"),
    }


@pytest.mark.parametrize("case", broken_ham(*ham()))
def test_what_is_wrong_with_ham_is_named(tmp_path, case):
    images, table, message = broken_ham(*ham())[case]
    write_ham(tmp_path / "mirror", images, table)
    with pytest.raises(PrunescopeError, match=message):
        run("ham10000", tmp_path / "out", mirror=tmp_path / "mirror")
    assert [path.name for path in tmp_path.iterdir()] == ["mirror"]
