"""dvc.lock with a stage's new entry put in its place as text, and the file written whole or not at all.

DVC parses and writes all entries after each stage, so that a run of n stages costs n times n (10 s a stage at 282 of them).
Here only the new entry is made into YAML, by DVC's own writer: the file is the same to the letter (but for YAML anchors).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.files import write_text

HEAD = "schema: '2.0'\nstages:\n"
ENTRY = re.compile(r"^  (?=\S)", re.MULTILINE)  # where a stage's entry begins
ALIAS = re.compile(r"^[^#'\"\n]*: \*\w+$", re.MULTILINE)  # of an anchor, which may stand in another entry
NAME = re.compile(r"([\w@.-]+):\n")


def dump_stages(file: Any, stages: list[Any], *, slow: Any, **options: Any) -> None:
    """In place of `Lockfile.dump_stages`, here `slow`, which takes over where the file is not as DVC writes it."""
    from dvc.stage.serialize import to_lockfile

    path = Path(file.path)
    text = path.read_text(encoding="utf-8") if path.is_file() else HEAD
    entries = split(text)
    if entries is None or options:
        slow(file, stages, **options)
        return
    for stage in stages:
        entries |= split(_written(to_lockfile(stage))) or {}
    joined = join(entries)
    if joined != text or not path.is_file():
        write_text(path, joined)
        file.repo.scm_context.track_file(file.relpath)


def split(text: str) -> dict[str, str] | None:
    """Entries by stage, each as its text without the first indent; None where it is not the text of a lock as DVC writes it."""
    if not text.startswith(HEAD):
        return None
    before, *entries = ENTRY.split(text.removeprefix(HEAD))
    names = [NAME.match(entry) for entry in entries]
    if before or not all(names) or (entries and not text.endswith("\n")) or "\n\n" in text or ALIAS.search(text):
        return None
    found = {name[1]: entry for name, entry in zip(names, entries, strict=True) if name}
    return found if len(found) == len(entries) and all(_indented(entry) for entry in entries) else None


def join(entries: Mapping[str, str]) -> str:
    """The text whose `split` these are."""
    return HEAD + "".join(f"  {entry}" for entry in entries.values())


def names(path: Path) -> list[str]:
    """Stages that have an entry, in the file's order."""
    return list(split(path.read_text(encoding="utf-8")) or ()) if path.is_file() else []


def put_in_order(path: Path, before: Sequence[str], order: Sequence[str]) -> None:
    """New entries in the order in which `dvc repro` would have added them, whichever stage ended first."""
    entries = split(path.read_text(encoding="utf-8")) if path.is_file() else None
    if entries is None:
        return
    place = {name: number for number, name in enumerate(dict.fromkeys([*before, *order]))}
    ordered = sorted(entries, key=lambda name: place.get(name, len(place)))
    if ordered != list(entries):
        write_text(path, join({name: entries[name] for name in ordered}))


def _indented(entry: str) -> bool:
    """Whether all lines but the first are inside the entry: no key of the whole file follows."""
    return all(line.startswith("  ") for line in entry.splitlines()[1:])


def _written(entries: dict[str, Any]) -> str:
    from dvc.utils.serialize import dumps_yaml

    return dumps_yaml({"schema": "2.0", "stages": _apart(entries)})


def _apart(value: Any) -> Any:
    """A copy in which nothing is there twice. Lists that params.yaml names once, with a YAML anchor, would be anchors here too,
    numbered from 1 in every entry: in one file a name that is taken, and the lock could not be read any more."""
    if isinstance(value, dict):
        return {key: _apart(of) for key, of in value.items()}
    return [_apart(of) for of in value] if isinstance(value, list) else value
