"""DICOM files: grey as their window says, colour as it is, and nothing that is no picture."""

from pathlib import Path

import numpy as np
import pytest

from prunescope.deploy.pictures import square
from prunescope.networks.inputs import Inputs

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'prunescope[dicom]'")

GREY = Inputs("xray", ("a", "b"), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), 64)
RAMP = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def write(path: Path, values: np.ndarray, kind: str = "MONOCHROME2", **further) -> Path:
    """values (H, W) of 12 bits or (H, W, 3) of 8; `further` are elements by their keywords."""
    from pydicom.dataset import FileMetaDataset

    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.Rows, data.Columns = values.shape[:2]
    data.SamplesPerPixel, data.PhotometricInterpretation = values[0, 0].size, kind
    data.BitsAllocated, data.PixelRepresentation = 8 * values.itemsize, 0
    data.BitsStored = 8 if values.itemsize == 1 else 12
    data.HighBit = data.BitsStored - 1
    if values.ndim == 3:
        data.PlanarConfiguration = 0
    data.SOPClassUID, data.SOPInstanceUID = pydicom.uid.SecondaryCaptureImageStorage, pydicom.uid.generate_uid()
    data.PixelData = values.tobytes()
    for keyword, value in further.items():
        setattr(data, keyword, value)
    data.save_as(path, enforce_file_format=True)
    return path


def pixels(path: Path) -> np.ndarray:
    return square(path, GREY)[0].astype(int)


def test_grey_is_read_as_its_window_says(tmp_path):
    normal, inverse = (
        pixels(write(tmp_path / f"{kind}.dcm", RAMP, kind, WindowCenter=2048, WindowWidth=1024))
        for kind in ("MONOCHROME2", "MONOCHROME1")
    )
    assert normal[0, 0, 0] == 0 and normal[-1, -1, 0] == 255 and 120 < normal[32, 0, 0] < 136  # the window's ends and middle
    assert np.abs(normal + inverse - 255).max() <= 1


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("slope", [1, 2])
def test_a_value_is_as_bright_in_every_image(tmp_path, function, slope):
    """Also in one that uses a part of its window alone: black and white are those of the window."""
    further = {"WindowCenter": 2048 * slope, "WindowWidth": 4096 * slope, "VOILUTFunction": function}
    further |= {"RescaleSlope": slope, "RescaleIntercept": 0}
    whole = pixels(write(tmp_path / "whole.dcm", RAMP, **further))
    middle = pixels(write(tmp_path / "middle.dcm", np.clip(RAMP, 1024, 3071), **further))
    inside = (RAMP >= 1024) & (RAMP < 3072)
    assert np.array_equal(whole[inside], middle[inside])
    assert middle.min() > 40 and middle.max() < 215


def test_without_a_window_the_image_has_its_own_ends(tmp_path):
    found = pixels(write(tmp_path / "a.dcm", np.clip(RAMP, 1024, 3071)))
    assert found.min() == 0 and found.max() == 255


def test_a_table_says_what_is_black_and_white(tmp_path):
    table = pydicom.Dataset()
    table.LUTDescriptor = [4096, 0, 12]
    table.add_new("LUTData", "OW", np.arange(4096, dtype=np.uint16)[::-1].tobytes())  # turns black and white
    found = pixels(write(tmp_path / "a.dcm", np.clip(RAMP, 1024, 3071), VOILUTSequence=[table]))
    assert abs(found.max() - 255 * 3071 / 4095) <= 1 and abs(found.min() - 255 * 1024 / 4095) <= 1
    assert found[0, 0, 0] > found[-1, -1, 0]


@pytest.mark.parametrize("kind", ["RGB", "YBR_FULL"])
def test_colour_is_what_was_stored(tmp_path, kind):
    from pydicom.pixels.processing import convert_color_space

    wanted = np.zeros((64, 64, 3), dtype=np.uint8) + np.array([200, 60, 90], dtype=np.uint8)
    stored = wanted if kind == "RGB" else convert_color_space(wanted, "RGB", kind)
    assert np.abs(pixels(write(tmp_path / "a.dcm", stored, kind)) - wanted).max() <= 2


def test_numbers_of_a_palette_are_no_brightness(tmp_path):
    with pytest.raises(ValueError, match="a DICOM file of PALETTE COLOR, wanted one of MONOCHROME1"):
        pixels(write(tmp_path / "a.dcm", np.zeros((64, 64), dtype=np.uint8), "PALETTE COLOR"))


@pytest.mark.parametrize(
    ("further", "message"),
    [({"NumberOfFrames": 900}, "it has 900 frames"), ({"Rows": 60000, "Columns": 60000}, "60000 x 60000 pixels are too many")],
)
def test_what_is_too_much_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, further, message):
    path = write(tmp_path / "a.dcm", RAMP, **further)
    monkeypatch.setattr(pydicom.Dataset, "pixel_array", property(lambda _: pytest.fail("pixels were unpacked")))
    with pytest.raises(ValueError, match=message):
        pixels(path)
