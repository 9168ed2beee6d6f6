"""Small fakes of HAM10000 and of ISIC 2018's test set."""

from pathlib import Path

from source_fakes import encoded, picture, write_zip

COLUMNS = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]


def ham(columns: int = 7) -> tuple[dict[str, bytes], str]:
    """JPEGs and table of 24 lesions of two diagnoses, every fourth with three images."""
    header = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset"][:columns]
    lines, images = [",".join(header)], {}
    for lesion in range(24):
        for _ in range(3 if lesion % 4 == 0 else 1):
            name = f"ISIC_{len(images):07}"
            images[name + ".jpg"] = encoded(picture(len(images), (40, 32)), "JPEG")
            row = [
                f"HAM_{lesion:03}",
                name,
                "nv" if lesion < 16 else "mel",
                "histo",
                "" if lesion == 5 else f"{lesion}.0",
                "male",
                "back",
                "vidir",
            ]
            lines.append(",".join(row[:columns]))
    return images, "\n".join([lines[0], *reversed(lines[1:])]) + "\n"


def write_ham(folder: Path, images: dict[str, bytes], table: str) -> None:
    half = len(images) // 2
    write_zip(folder / "HAM10000_images_part_1.zip", dict(list(images.items())[:half]))
    write_zip(folder / "HAM10000_images_part_2.zip", dict(list(images.items())[half:]))
    (folder / "HAM10000_metadata.csv").write_text(table, encoding="utf-8")


def truth() -> tuple[dict[str, bytes], str]:
    """JPEGs and the challenge's table of a test set of 24 images, every third a melanoma."""
    images = {f"ISIC_{1_000_000 + n}.jpg": encoded(picture(500 + n, (40, 32)), "JPEG") for n in range(24)}
    rows = [
        ",".join([name.removesuffix(".jpg"), *(f"{float(of == ('MEL' if n % 3 == 0 else 'NV'))}" for of in COLUMNS)])
        for n, name in enumerate(images)
    ]
    return images, "\n".join([",".join(["image", *COLUMNS]), *rows]) + "\n"


def write_test_set(folder: Path, images: dict[str, bytes], table: str) -> None:
    """As the challenge's site gives it: a zip of the images and a zip of the table."""
    name = "ISIC2018_Task3_Test"
    write_zip(folder / f"{name}_Input.zip", {f"{name}_Input/{file}": content for file, content in images.items()})
    write_zip(folder / f"{name}_GroundTruth.zip", {f"{name}_GroundTruth/{name}_GroundTruth.csv": table.encode()})
