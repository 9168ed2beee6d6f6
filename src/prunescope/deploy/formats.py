"""What a format is worth: a network as fp32, bf16 or INT8 in onnxruntime, measured on the test split beside torch's."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import zstandard
from torch import Tensor

from prunescope.data.batches import in_order
from prunescope.data.store import Store
from prunescope.deploy.exporting import CLOSE, converted
from prunescope.deploy.graph import IMAGES, float_graph, logits_of, session
from prunescope.deploy.loading import Network
from prunescope.evaluation.latency import in_turn
from prunescope.evaluation.metrics import OVERALL, Predictions, by_class, columns, decide, metrics, overall, require_finite
from prunescope.networks.predict import predict
from prunescope.resampling import resampled_sums

BATCH = 128
LEVEL = 12  # of Zstandard: what a user packs a file with once, at some 30 MB a second
LOW, HIGH = 0.025, 0.975
UNSEEN = LOW + 1 - HIGH  # on both sides at once: without a change the sign of those that were not seen is open


@dataclass(frozen=True)
class Beside:
    """What every network of a cell is measured with. dense: the dense float32 graph, whose time is 1 · calibration: squares of
    training images (N, S, S, 3) uint8 · draws: bootstrap resamples · seconds: a batch size is timed · critical: classes."""

    store: Store
    dense: bytes
    calibration: np.ndarray
    draws: int
    seconds: float
    ece_bins: int
    critical: Sequence[str]
    threads: int


def measured(network: Network, form: str, beside: Beside) -> dict[str, Any]:
    """Flat metrics of `network` (of `loading.load`) in a format, see docs/internals.md; changes are against torch's float32.

    Raises PrunescopeError where torch cannot export it or a removed weight does not stay zero.
    """
    store = beside.store
    model = converted(float_graph(network), form, network, beside.calibration)
    data = model.SerializeToString()
    running = session(data, threads=beside.threads)
    test, cpu = store.indices("test"), torch.device("cpu")
    theirs = logits_of(running, (images for images, _ in in_order(store, test, batch_size=BATCH, device=cpu)))
    require_finite(theirs, f"{network.about.get('method', 'network')} as {form}")
    ours, labels = predict(network, store, "test", device=cpu)
    groups = store.groups[test]
    mine, before = Predictions(theirs, labels, groups), Predictions(ours, labels, groups)
    same = (decide(theirs) == decide(ours)).double().mean()
    record: dict[str, Any] = {
        **metrics(mine, ece_bins=beside.ece_bins, draws=beside.draws),
        "agreement": float(same),
        **changes(mine, before, store.classes, beside.critical, draws=beside.draws),
        "size_bytes": len(data),
        "size_zstd_bytes": len(zstandard.ZstdCompressor(level=LEVEL).compress(data)),
    }
    run = partial(_run, running)
    dense = run if form == "fp32" and data == beside.dense else partial(_run, session(beside.dense, threads=beside.threads))
    size = store.image_size
    timed = in_turn(run, dense, lambda count: np.random.default_rng(0).standard_normal((count, 3, size, size), np.float32),
                    seconds=beside.seconds)  # fmt: skip
    return record | timed | {"runtime": f"onnxruntime {version('onnxruntime')}"}


def changes(
    found: Predictions, before: Predictions, classes: Sequence[str], critical: Sequence[str], *, draws: int
) -> dict[str, Any]:
    """`change_<metric>` of `found` less `before` on the same images, with 95 % intervals over groups as `_low` and `_high`: all
    of `OVERALL`, and `change_recall_<class>` and `recall_<class>` of the critical classes that there are.

    Where no decision changed all resamples are alike, and an interval would be a point although other images may change: it then
    reaches as far as so many groups without a change leave open: of a share of changes beyond 1 - 0.05^(1 / groups) less than one
    draw in twenty would show none. Not of the same function (fp32).
    """
    same = bool(torch.allclose(found.logits, before.logits, rtol=0, atol=CLOSE * max(1.0, float(before.logits.abs().max()))))
    mine, its = columns(found), columns(before)

    def of(sums: np.ndarray) -> np.ndarray:
        return np.concatenate([overall(sums, found.classes), by_class(sums, found.classes)[:, 0]], axis=1)

    at = (of(mine.sum(0)[None]) - of(its.sum(0)[None]))[0]
    # A matrix product for each: in a single one the same column, at two places, may come out with other last digits.
    after, earlier = (of(resampled_sums(one, found.groups, draws=draws)) for one in (mine, its))
    drawn = after - earlier
    names = [*(f"change_{name}" for name in OVERALL), *(f"change_recall_{name}" for name in classes)]
    wanted = [*names[: len(OVERALL)], *(f"change_recall_{name}" for name in classes if name in critical)]
    record: dict[str, float | None] = {}
    for name in wanted:
        place = names.index(name)
        known = drawn[:, place][~np.isnan(drawn[:, place])]
        low, high = np.quantile(known, [LOW, HIGH]) if len(known) else (np.nan, np.nan)
        if low == high and not same:
            those = found.labels.numpy() == list(classes).index(name.removeprefix("change_recall_")) if "recall" in name else ...
            reach = 1 - UNSEEN ** (1 / len(np.unique(found.groups[those])))
            low, high = low - reach, high + reach
        record |= {f"{name}{end}": None if np.isnan(value) else float(value)
                   for end, value in (("", at[place]), ("_low", low), ("_high", high))}  # fmt: skip
    recall = by_class(mine.sum(0)[None], found.classes)[0, 0]
    for name in critical:
        if name in classes:
            value = recall[list(classes).index(name)]
            record[f"recall_{name}"] = None if np.isnan(value) else float(value)
    return record


def _run(running: Any, images: np.ndarray | Tensor) -> Any:
    return running.run(None, {IMAGES: images})
