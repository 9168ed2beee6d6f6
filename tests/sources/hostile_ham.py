"""HAM10000 and ISIC 2018's test set in forms that are not whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ham_fakes import ham, truth, write_ham, write_test_set
from hostile import Case, flipped

from prunescope.sources import fetch, ham10000

Change = Callable[[dict[str, bytes], str], tuple[dict[str, bytes], str]]


def ham_with(change: Change, message: str) -> Case:
    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        images, table = change(*ham())
        monkeypatch.setattr(ham10000, "IMAGES", 36)
        write_ham(folder, images, table)
        return {"mirror": folder}

    return Case("ham10000", make, message)


def ham_without(name: str) -> Case:
    """A mirror that lacks a file, and no network."""

    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        write_ham(folder, *ham())
        (folder / name).unlink()
        monkeypatch.setattr(fetch.requests, "get", offline)
        monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
        return {"mirror": folder, "cache": folder / "cache"}

    return Case("ham10000", make, f"could not download .*put .*{name}.* into a folder ham10000 and set PRUNESCOPE_MIRROR")


def offline(url: str, **_: Any) -> None:
    raise fetch.requests.ConnectionError("offline")


def tested(change: Change, message: str, count: int = 24) -> Case:
    """HAM10000 with ISIC 2018's test set."""

    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        monkeypatch.setattr(ham10000, "IMAGES", 36)
        monkeypatch.setattr(ham10000, "TEST_IMAGES", (count,))
        write_ham(folder, *ham())
        images, table = change(*truth())
        if images:
            write_test_set(folder, images, table)
        return {"mirror": folder, "test_fraction": None}

    return Case("ham10000", make, message)


def broken_truth() -> Case:
    """The challenge's zip of its table with a bit turned over."""

    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        write_ham(folder, *ham())
        write_test_set(folder, *truth())
        path = folder / "ISIC2018_Task3_Test_GroundTruth.zip"
        path.write_bytes(flipped((data := path.read_bytes()), data.index(b"MEL")))
        return {"mirror": folder, "test_fraction": None}

    return Case("ham10000", make, "cannot read ISIC2018_Task3_Test_GroundTruth/.*: Bad CRC-32")


def lines(table: str) -> list[str]:
    return table.splitlines(keepends=True)


CASES = {
    "HAM10000 without lesions": ham_with(lambda i, t: (i, t.replace("lesion_id", "lesion")), "wanted also lesion_id"),
    "HAM10000 with semicolons": ham_with(lambda i, t: (i, t.replace(",", ";")), "divided by semicolons"),
    "HAM10000 with an unknown diagnosis": ham_with(
        lambda i, t: (i, t.replace(",mel,", ",MEL,", 1)), "found dx 'MEL', wanted one of"
    ),
    "HAM10000 with a space in a diagnosis": ham_with(lambda i, t: (i, t.replace(",mel,", ",mel ,", 1)), "found dx 'mel '"),
    "HAM10000 with an image twice": ham_with(lambda i, t: (i, t + lines(t)[1]), "line 38: found image_id 'ISIC_.*again"),
    "HAM10000 with an empty lesion": ham_with(lambda i, t: (i, t.replace("HAM_003", "")), "found no lesion_id"),
    "HAM10000 with a row too many": ham_with(
        lambda i, t: (dict(list(i.items())[1:]), t), r"1 rows without an image \(the first: ISIC_0000000\)"
    ),
    "HAM10000 with an image too many": ham_with(
        lambda i, t: (i, "".join(lines(t)[:-1])), r"1 images without a row \(the first: ISIC_0000000\)"
    ),
    "half of HAM10000": ham_with(
        lambda i, t: ({n: i[n] for n in list(i)[:18]}, "".join([lines(t)[0], *lines(t)[-18:]])), "found 18 images .*wanted .*36"
    ),
    "HAM10000 with a cut image": ham_with(
        lambda i, t: (i | {"ISIC_0000005.jpg": i["ISIC_0000005.jpg"][:300]}, t), r"ISIC_0000005\.jpg in .*part_1\.zip"
    ),
    "HAM10000 with text for an image": ham_with(
        lambda i, t: (i | {"ISIC_0000005.jpg": b"hello"}, t), r"ISIC_0000005\.jpg in .*begins with b'hello'"
    ),
    "HAM10000 with two lesions of a class": ham_with(
        lambda i, t: (i, "".join(x if x[:7] in ("HAM_022", "HAM_023") else x.replace(",mel,", ",nv,") for x in lines(t))),
        "'mel': 2 groups",
    ),
    "HAM10000 without its table": ham_without("HAM10000_metadata.csv"),
    "HAM10000 without its second part": ham_without("HAM10000_images_part_2.zip"),
    "no test set of ISIC 2018": tested(
        lambda i, t: ({}, t), "asks for the test set of ISIC 2018.*ISIC2018_Task3_Test_Images.zip"
    ),
    "a test set without an image": tested(lambda i, t: (dict(list(i.items())[1:]), t), "1 rows without an image"),
    "a test set of two diagnoses": tested(
        lambda i, t: (i, t.replace("1.0,0.0", "1.0,1.0", 1)), "line .*wanted 1 in one column and 0 in the others"
    ),
    "a test set of other columns": tested(lambda i, t: (i, t.replace("MEL", "XYZ", 1)), "wanted also MEL"),
    "a test set that is not whole": tested(lambda i, t: (i, t), "found 24 images, wanted ISIC 2018's 25", count=25),
    "a test set with an empty table": tested(lambda i, t: (i, ""), "found columns"),
    "a test set with a broken zip": broken_truth(),
    "a lesion of two diagnoses": ham_with(
        lambda i, t: (i, t.replace("HAM_023", "HAM_001")), "found lesion HAM_001 with dx .* after .*, wanted one diagnosis"
    ),
    "two images of one id": ham_with(
        lambda i, t: (i | {"more/ISIC_0000005.jpg": i["ISIC_0000006.jpg"]}, t),
        "found two different images of one id",
    ),
    "a test set from the training images": tested(
        lambda i, t: ({n.replace("ISIC_1", "ISIC_0"): c for n, c in i.items()}, t.replace("ISIC_1", "ISIC_0")),
        "24 images in HAM10000 and in ISIC 2018's test set",
    ),
}
