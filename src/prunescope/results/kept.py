"""Kept studies: metrics files in an archive, and in the provenance what was studied, for today's params may be other ones."""

import io
import json
import lzma
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from prunescope.errors import PrunescopeError
from prunescope.files import replacing
from prunescope.results.grid import Grid
from prunescope.results.reading import Files

ARCHIVE, PROVENANCE = "metrics.tar.xz", "provenance.json"


def pack(content: Mapping[str, bytes], archive: Path) -> None:
    """Files by their names below metrics/ as an xz archive; the same content gives the same bytes."""
    with (
        replacing(archive) as temporary,
        lzma.open(temporary, "wb", preset=9) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name in sorted(content):
            entry = tarfile.TarInfo(f"metrics/{name}")
            entry.size = len(content[name])
            tar.addfile(entry, io.BytesIO(content[name]))


def unpack(archive: Path) -> dict[str, bytes]:
    """The files of an archive by their names below metrics/, in memory. PrunescopeError for what is no such archive."""
    try:
        with tarfile.open(archive) as tar:
            return dict(_members(tar))
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError) as error:
        raise PrunescopeError(f"{archive} cannot be read as an archive of metrics ({error}); keep the study again") from error


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        file = tar.extractfile(member)
        if file is not None:
            yield member.name.removeprefix("metrics/"), file.read()


def archived(folder: Path) -> Files:
    """The metrics files of a kept study."""
    return Files(folder / ARCHIVE, unpack(folder / ARCHIVE))


def provenance(folder: Path) -> dict[str, Any]:
    """What made a kept study: commits, command, machine, and what was studied; empty where nothing is kept."""
    path = folder / PROVENANCE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def kept_grid(folder: Path) -> Grid:
    """What a kept study studied. PrunescopeError where its provenance does not say."""
    study = provenance(folder).get("study")
    names = {of.name: of.default is MISSING and of.default_factory is MISSING for of in fields(Grid)}
    needed = {name for name, must in names.items() if must}
    if not isinstance(study, dict) or not needed <= set(study) <= set(names):
        raise PrunescopeError(
            f"{folder / PROVENANCE}: found study {study!r}, wanted a table of {', '.join(names)}; keep the study again"
        )
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in study.items()}
    return Grid(**values)
