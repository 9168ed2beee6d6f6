"""Tables of images (CSV) that come from outside: read strictly, every complaint with its line."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prunescope.errors import PrunescopeError

OTHERS = {b"PK": "an Excel workbook or a zip", b"\xff\xfe": "UTF-16 text", b"\xfe\xff": "UTF-16 text"}  # by their first bytes
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabulators", "|": "bars"}


@dataclass(frozen=True)
class Row:
    """A row of a table: where it stands, for errors, and its cells by column."""

    place: str
    cells: Mapping[str, str]


def read_table(
    place: str, content: bytes, *, required: Sequence[str], optional: Sequence[str] = (), key: str, delimiter: str = ","
) -> list[Row]:
    """Return the rows of a UTF-8 table (with or without a byte order mark); further columns are kept, empty lines skipped.

    `place` names the table in errors. `required` columns have a value in every row, as have `optional` ones where they are
    there; `key` has a different one in each.
    PrunescopeError for anything else.
    """
    rows, seen = [], {}
    for row in _rows(place, content, required, delimiter):
        for column in (*required, *(name for name in optional if name in row.cells)):
            value = row.cells[column]
            if not value.strip():
                raise PrunescopeError(f"{row.place}: found no {column}, wanted one in every row.")
            if value != value.strip() or not value.isprintable():
                raise PrunescopeError(
                    f"{row.place}: found {column} {value!r}, wanted printable characters without spaces around them."
                )
        if (name := row.cells[key]) in seen:
            raise PrunescopeError(f"{row.place}: found {key} {name!r} again (first in {seen[name]}), wanted each once.")
        seen[name] = row.place.removeprefix(f"{place}, ")
        rows.append(row)
    if not rows:
        raise PrunescopeError(f"{place}: found no rows under the header, wanted one for each image.")
    return rows


def _rows(place: str, content: bytes, required: Sequence[str], delimiter: str) -> Iterator[Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = next((what for begin, what in OTHERS.items() if content.startswith(begin)), "not UTF-8 text")
        raise PrunescopeError(f"{place} is {found} (byte {error.start}). Save it as CSV with UTF-8 encoding.") from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        _check_header(place, header, required, delimiter)
        for cells in reader:
            where = f"{place}, line {reader.line_num}"
            if cells and len(cells) != len(header):
                raise PrunescopeError(f"{where}: found {len(cells)} cells, wanted {len(header)} as in the header.")
            if cells:
                yield Row(where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise PrunescopeError(f"{place}, line {reader.line_num}: {error}. Wanted a table of plain cells.") from error


def _check_header(place: str, header: Sequence[str], required: Sequence[str], delimiter: str) -> None:
    if missing := [column for column in required if column not in header]:
        others = [name for sign, name in DELIMITERS.items() if sign != delimiter and len(header) == 1 and sign in header[0]]
        advice = f" Its cells are divided by {others[0]}: save it with {DELIMITERS[delimiter]}." if others else ""
        raise PrunescopeError(f"{place}: found columns {header}, wanted also {', '.join(missing)}, written so.{advice}")
    if twice := sorted({column for column in header if header.count(column) > 1 and column}):
        raise PrunescopeError(f"{place}: found the column {twice[0]!r} twice, wanted each once.")
