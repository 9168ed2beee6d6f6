"""What training cost and what pruning saves: parameters, arithmetic, bytes; and the latency that zeros do not change."""

import pandas as pd

from prunescope.evidence.text import NOT_RUN, ends, mean, millions, plural, spread, view
from prunescope.results.grid import CHANNELS, Cell, arms_of
from prunescope.results.results import Results
from prunescope.results.summary import RATES, runs


def storage_table(results: Results) -> pd.DataFrame:
    """Parameters, multiply-accumulates, bytes, and milliseconds with their ratio to the unpruned network's (means over seeds)."""

    def columns(cell: Cell, method: str) -> dict[str, str]:
        arm = runs(results.summary, cell, method)
        return {
            "nonzero params, M": millions(arm["nonzero_parameters"]) if len(arm) else NOT_RUN,
            "all params, M": millions(arm["parameters"]),
            "MB dense": millions(arm["size_dense_bytes"]),
            "MB packed": millions(arm["size_packed_bytes"]),
            "smaller": mean(arm["size_dense_bytes"] / arm["size_packed_bytes"], ".1f", "×"),
            "smaller, bf16": mean(arm["size_dense_bytes"] / arm["size_packed_bf16_bytes"], ".1f", "×"),
            "nonzero MACs, M": millions(arm["nonzero_macs"], ",.1f"),
            "theoretical speed-up": mean(arm["macs"] / arm["nonzero_macs"], ".2f", "×"),
            "1 image, ms": mean(arm["batch_1_ms"], ".2f"),
            "32 images, ms": mean(arm["batch_32_ms"], ".1f"),
            "1 image, of unpruned": mean(arm["batch_1_to_dense"], ".2f", "×"),
            "32 images, of unpruned": mean(arm["batch_32_to_dense"], ".2f", "×"),
        }

    return view(results.grid, results.grid.models, columns)


def macs_without_weights(results: Results) -> str:
    """In words which networks multiply activations with each other, and how much of all they multiply; empty where none does."""
    found: dict[str, float] = {}
    for arm in arms_of(results.grid):
        known = results.record(arm.evaluate) or {}
        if known.get("macs_without_weights"):
            name = f"the student of {arm.model}" if arm.kind == "student" else arm.model
            found.setdefault(f"{name} on {arm.dataset}", known["macs_without_weights"] / known["macs"])
    if not found:
        return ""
    shares = ", ".join(f"{share * 100:.1f} % of {name}" for name, share in found.items())
    return (
        f"Part of the MACs ({shares}) multiply activations with each other, as attention does: they belong to no layer, so no "
        "row of the layer files counts them, and pruning leaves them."
    )


def measured_speed(results: Results, level: float | None = None) -> str:
    """In words how the times of pruned networks, and of bases without whole channels, compare with the unpruned one's (means
    over seeds), of one level or of all; empty where not timed."""
    summary = results.summary if level is None else results.summary[results.summary["sparsity"] == level]
    found = {who: _times(summary, kind) for kind, who in (("pruned", "the pruned ones"), (CHANNELS, "those of fewer channels"))}
    said = [f"{who} took {times}" for who, times in found.items() if times]
    at = "" if level is None else f" at {level * 100:g} %,"
    return f"Measured{at} in turn with the unpruned network, {'; '.join(said)}." if said else ""


def _times(summary: pd.DataFrame, kind: str) -> str:
    found = []
    arms = summary[summary["kind"] == kind].groupby(["dataset", "model", "method", "sparsity"], sort=False)
    for count, images in ((1, "1 image"), (32, "32 images")):
        ratios = arms[f"batch_{count}_to_dense"].mean().dropna()
        if len(ratios):
            found.append(f"{ends(ratios, '.2f')} times as long for {images}")
    return " and ".join(found)


def timed_on(results: Results) -> str:
    """In words what the latencies were measured on; empty where none were."""
    found = [results.record(f"{arm.evaluate}-latency") for arm in arms_of(results.grid)]
    places = {f"{one['device']} ({one['processor']}), {plural(one['threads'], 'thread')}, float32" for one in found if one}
    return " and ".join(sorted(places))


def spread_of_latency(results: Results) -> float | None:
    """Largest distance between the quartiles of an arm's latency, over its median; None where none were measured."""
    found = [results.record(f"{arm.evaluate}-latency") for arm in arms_of(results.grid)]
    parts = [
        (one[f"batch_{n}_high_ms"] - one[f"batch_{n}_low_ms"]) / one[f"batch_{n}_ms"] for one in found if one for n in (1, 32)
    ]
    return max(parts, default=None)


def budget_table(results: Results) -> pd.DataFrame:
    """Training after the base checkpoint per arm (means over seeds): equal steps make the comparison fair."""

    def columns(cell: Cell, method: str) -> dict[str, str]:
        arm = runs(results.summary, cell, method)
        return {
            "n": str(len(arm)),
            "steps": mean(arm["steps"]) if len(arm) else NOT_RUN,
            "epochs": mean(arm["epochs"], ".2f"),
            "rate after last pruning %": mean(arm[RATES] * 100, ".0f"),
            "seconds": spread(arm["seconds"], ".1f"),
            "images per second": mean(arm["images_per_second"]),
        }

    return view(results.grid, results.grid.models, columns)
