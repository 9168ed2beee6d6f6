"""Do two clones of the repository hold the same checkpoints, byte for byte? So a change shows that it moves no number.

Run the shipped study in both, on one machine and with one thread (`OMP_NUM_THREADS=1 dvc repro`), then:

    python scripts/same_checkpoints.py BEFORE AFTER
    python scripts/same_checkpoints.py BEFORE AFTER --rename vgg16=vgg16_bn      where a model has another name after

Prints a line for each file that differs or is missing; exit 1 if there is any, or if there is nothing to compare.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

FOLDER = "checkpoints"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rename", action="append", default=[], metavar="OLD=NEW", help="a model's names before and after")
    arguments = parser.parse_args()
    renames = dict(pair.split("=", 1) for pair in arguments.rename)
    before = {renamed(path, renames): file for path, file in checkpoints(arguments.before).items()}
    after = checkpoints(arguments.after)
    found = differences(before, after)
    print("\n".join([*found, f"{len(before)} checkpoints before, {len(after)} after, {len(found)} differences"]))
    return 1 if found or not before else 0


def checkpoints(clone: Path) -> dict[str, Path]:
    """All checkpoints of a clone, by their paths below FOLDER."""
    root = clone / FOLDER
    return {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*.safetensors"))}


def renamed(path: str, renames: dict[str, str]) -> str:
    """The path with a model's new name where a part of it is the old name, or begins with it and a hyphen."""
    parts = []
    for part in path.split("/"):
        model, hyphen, rest = part.partition("-")
        parts.append(renames.get(model, model) + hyphen + rest)
    return "/".join(parts)


def differences(before: dict[str, Path], after: dict[str, Path]) -> list[str]:
    """One line for each name whose files differ or that one side lacks."""
    lines = []
    for name in sorted(before | after):
        if name not in before or name not in after:
            lines.append(f"{name}: only {'after' if name in after else 'before'}")
        elif sha256(before[name]) != sha256(after[name]):
            same = tensors(before[name]) == tensors(after[name])
            lines.append(f"{name}: {'the same tensors under another header' if same else 'other tensors'}")
    return lines


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tensors(path: Path) -> tuple[dict, bytes]:
    """A safetensors file without its free-form header: where each tensor lies, and the bytes of all."""
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    table = json.loads(content[8:begin])
    table.pop("__metadata__", None)
    return table, content[begin:]


if __name__ == "__main__":
    sys.exit(main())
