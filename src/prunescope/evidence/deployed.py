"""What formats of deployment are worth: endpoint, critical classes, bytes, time, and whether a format may be called good.

A format changes a network that is finished, so each network is compared with itself in torch on the same test images. A format is
good where every network's 95 % interval of the change lies above minus the margin.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from prunescope.evidence.text import NOTHING, plural
from prunescope.results.grid import CHANNELS, DENSE, NARROW, Cell, cells_of, fewer
from prunescope.results.results import Results

GOOD, LOSES, OPEN = "within the margin", "loses more than the margin", "not shown"


@dataclass(frozen=True)
class Deployed:
    """One network of a cell in one format, of all seeds that were measured: their metrics files."""

    cell: Cell
    network: str
    form: str
    records: tuple[dict[str, Any], ...]

    def mean(self, key: str) -> float | None:
        """Over seeds; None where none has it."""
        known = [record[key] for record in self.records if record.get(key) is not None]
        return sum(known) / len(known) if known else None

    def verdict(self, change: str, margin: float) -> str:
        """Of a change (`change_<metric>`), by a margin in points."""
        ends = [(record.get(f"{change}_low"), record.get(f"{change}_high")) for record in self.records]
        if any(high is not None and high * 100 < -margin for _, high in ends):
            return LOSES
        return GOOD if all(low is not None and low * 100 > -margin for low, _ in ends) else OPEN


def every(results: Results) -> Iterator[Deployed]:
    """In the order of all tables: cells, then networks, then formats; those that were measured."""
    grid = results.grid
    for cell in cells_of(grid):
        for network in (DENSE, *grid.methods, *fewer(grid, cell.model)):
            for form in grid.formats:
                found = (results.record(f"deploy/{form}-{cell.of(seed)}/{network}") for seed in grid.seeds)
                if records := tuple(record for record in found if record):
                    yield Deployed(cell, network, form, records)


def table(results: Results) -> pd.DataFrame:
    """A row per cell, network and format as text: percent, megabytes, milliseconds; empty where nothing was measured."""
    rows = []
    for found in _once(results):
        endpoint = results.grid.primary_of(found.cell.dataset)
        change = f"change_{endpoint}"
        recalls = {}
        for name in results.grid.critical:
            recalls[f"recall of {name} %"] = _percent(found.mean(f"recall_{name}"))
            recalls[f"change of {name}, points"] = _change(found, f"change_recall_{name}")
        rows.append(
            (found.cell._replace(sparsity=0.0) if found.network == DENSE else found.cell).labels()
            | {
                "network": found.network,
                "format": found.form,
                "n": str(len(found.records)),
                "endpoint %": _percent(found.mean(endpoint)),
                "change, points": _change(found, change),
                "verdict": found.verdict(change, results.grid.margin),
            }
            | recalls
            | {
                "same class %": _percent(found.mean("agreement")),
                "MB": _number(found.mean("size_bytes"), 1e-6, ".2f"),
                "MB, zstd": _number(found.mean("size_zstd_bytes"), 1e-6, ".2f"),
                "1 image, ms": _number(found.mean("batch_1_ms"), 1, ".2f"),
                "32 images, ms": _number(found.mean("batch_32_ms"), 1, ".1f"),
                "1 image, of dense fp32": _number(found.mean("batch_1_to_dense"), 1, ".2f", "×"),
                "32 images, of dense fp32": _number(found.mean("batch_32_to_dense"), 1, ".2f", "×"),
            }
        )
    return pd.DataFrame(rows)


def sentence(results: Results) -> str:
    """In words which formats are good and which are not; empty where nothing was measured."""
    by_form: dict[str, list[Deployed]] = {}
    for found in _once(results):
        by_form.setdefault(found.form, []).append(found)
    said = []
    for form, networks in by_form.items():
        verdicts = [one.verdict(f"change_{results.grid.primary_of(one.cell.dataset)}", results.grid.margin) for one in networks]
        good, losing = verdicts.count(GOOD), verdicts.count(LOSES)
        bad = f", loses more in {losing}" if losing else ""
        said.append(f"{form}: within the margin in {good} of {len(verdicts)} networks{bad}{_speed(networks)}")
    return ". ".join(said) + "." if said else ""


def _once(results: Results) -> Iterator[Deployed]:
    """Each level measures the same dense network: it comes with its first one."""
    seen = set()
    for found in every(results):
        key = found.cell.model, found.cell.dataset, found.form
        if found.network != DENSE or key not in seen:
            yield found
        seen.add(key)


def _speed(networks: Sequence[Deployed]) -> str:
    """By model the times of networks of all channels, which are those of dense ones whatever is zero in them."""
    times: dict[str, list[float]] = {}
    for one in networks:
        if one.network not in (NARROW, CHANNELS) and (value := one.mean("batch_1_to_dense")) is not None:
            times.setdefault(one.cell.model, []).append(value)
    of = [f"{model} {min(known):.2f} to {max(known):.2f}" for model, known in times.items()]
    return f"; time for 1 image, of the dense network's in fp32: {', '.join(of)}" if of else ""


def runtimes(results: Results) -> str:
    """What it was measured on, in words; empty where nothing was."""
    records = [record for found in every(results) for record in found.records]
    places = {f"{one['runtime']}, {one['processor']}, {plural(one['threads'], 'thread')}" for one in records}
    return " and ".join(sorted(places))


def costs(results: Results) -> list[dict[str, Any]]:
    """For the trade-off, means over seeds: dataset, model, network, method, value (percent), megabytes, times, format; the dense
    network once, of the first level."""
    rows = []
    for found in _once(results):
        keys = results.grid.primary_of(found.cell.dataset), "size_zstd_bytes", "batch_1_to_dense"
        value, size, time = (found.mean(key) for key in keys)
        if value is None or size is None or time is None:
            continue
        level = "" if found.network == DENSE else f" {found.cell.sparsity * 100:g} %"
        name = f"{found.network}{level}, {found.form} ONNX"
        row = {"dataset": found.cell.dataset, "model": found.cell.model, "network": name, "method": found.network}
        numbers = {"value": round(value * 100, 4), "megabytes": round(size / 1e6, 4), "times": round(time, 4)}
        rows.append(row | numbers | {"format": found.form})
    return rows


def _percent(value: float | None) -> str:
    return _number(value, 100, ".1f")


def _number(value: float | None, times: float, form: str, unit: str = "") -> str:
    return NOTHING if value is None else f"{value * times:{form}}{unit}"


def _change(found: Deployed, change: str) -> str:
    """The mean over seeds, and in brackets the lowest and highest end of the seeds' intervals."""
    value = found.mean(change)
    lows = [record[f"{change}_low"] for record in found.records if record.get(f"{change}_low") is not None]
    highs = [record[f"{change}_high"] for record in found.records if record.get(f"{change}_high") is not None]
    if value is None or not lows:
        return NOTHING
    return f"{value * 100:+.1f} [{min(lows) * 100:+.1f}, {max(highs) * 100:+.1f}]".replace("-", "−")
