"""The page's sections of records: similarity tables, budgets and costs, data, and what made the numbers."""

from collections.abc import Iterator, Mapping

import pandas as pd

from prunescope.evidence import facts, likeness, storage
from prunescope.report.blocks import Block, Table, Text
from prunescope.results.results import Results

STORAGE = (
    "Unstructured zeros save storage, not time: the zeros stay in their places, and dense kernels multiply them like any "
    "other number. Nonzero MACs and the theoretical speed-up say what sparse hardware could reach."
)


def budgets(results: Results) -> Iterator[Block]:
    differ = facts.budgets_differ(results)
    if differ:
        yield Text(f"Attention: the arms of {', '.join(differ)} did not all train for the same number of steps.")
    elif len(results.summary):
        yield Text("All dense and pruned arms of a model and data set trained for the same number of steps.")
    mixed = [cell for cell, hashes in facts.base_hashes(results).items() if len(hashes) > 1]
    if mixed:
        yield Text(f"Attention: the arms of {', '.join(mixed)} started from different base checkpoints.")
    yield Table(
        storage.budget_table(results),
        "Training after the base checkpoint, prune and finetune stages together; of the budget's summed learning rate, the share "
        "that came after the last pruning. Source: metrics/summary.csv.",
        labels=4,
        folded=True,
    )
    yield Text(" ".join(filter(None, (STORAGE, storage.macs_without_weights(results), storage.measured_speed(results)))))
    place, spread = storage.timed_on(results), storage.spread_of_latency(results)
    timed = ""
    if spread is not None:
        timed = (
            f"Latency: median of forward passes on {place}, quartiles at most {spread:.0%} apart; of different arms at different "
            "moments, so compare the ratios to the unpruned network, which was timed in turn with each. "
        )
    yield Table(
        storage.storage_table(results),
        "Size and arithmetic of the whole model (M: million; MB: million bytes). Packed: what `prunescope pack` writes, a bit "
        f"per weight and the values that are left, lossless; bf16: weights rounded to 16 bits. {timed}"
        "Source: metrics/summary.csv, metrics/evaluate.",
        labels=4,
        folded=True,
    )


def data(results: Results) -> Iterator[Block]:
    table = facts.data_table(results)
    leak = "groups (lesions)" in table.columns
    groups = " Images of one group (lesion) never lie in two splits." if leak else ""
    if "leak of a random split %" in table.columns:
        groups += " The leak is the share of test images whose lesion a random split would also have put into training."
    if set(facts.DUPLICATES.values()) & set(table.columns):
        groups += " Images as in another split or class have the same pixels as one there."
    yield Table(table, f"Images per split.{groups} Source: metrics/download.", labels=1)
    if len(classes := facts.class_table(results)):
        yield Table(classes, "Images per class and split. Source: metrics/download.", labels=2, folded=True)


def similarity(results: Results) -> Iterator[Block]:
    table = likeness.similarity_table(results)
    if table.empty:
        yield Text("Layer similarity (CKA): not run.")
        return
    yield Table(
        table,
        "Similarity of each pair of networks. CKA: mean over the layers of the similarity of the same layer in both. "
        "Yardsticks: an untrained "
        "network, and where there are several seeds the dense networks of two. Kept weights shared: of those that either keep; "
        "in brackets what independent masks of the same densities share. Sources: metrics/cka, metrics/evaluate.",
        labels=4,
        folded=True,
    )
    yield Table(
        likeness.seeds_table(results),
        "The same seed by seed, CKA with its 95 % interval over probe images.",
        labels=5,
        folded=True,
    )
    yield Table(
        likeness.inside_table(results),
        "Inside one network: mean similarity of its different layers (low: they differ). Source: metrics/cka.",
        labels=3,
        folded=True,
    )


def provenance(results: Results, given: Mapping[str, str]) -> Iterator[Block]:
    bases = {
        f"base checkpoint of {cell}, sha256": ", ".join(sorted(hashes)) for cell, hashes in facts.base_hashes(results).items()
    }
    rows = dict(given) | facts.environment(results) | facts.data_files(results) | bases
    frame = pd.DataFrame({"what": list(rows), "value": [str(value) for value in rows.values()]})
    yield Table(frame, "What made these numbers.", labels=2, folded=True)
