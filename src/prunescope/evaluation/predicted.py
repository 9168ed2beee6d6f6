"""What a network said of each test image, as a table that all later judgements are made from, without the store."""

from collections.abc import Iterator, Mapping, Sequence

from prunescope.columns import makes_subgroups
from prunescope.data.store import Store

COLUMNS = ("name", "group", "actual", "predicted")


def predictions_table(
    store: Store, decisions: Sequence[int], scores: Mapping[str, Sequence[str]]
) -> tuple[list[str], Iterator[tuple[str, ...]]]:
    """Header and rows of the test images in the store's order; a decision is an index into the classes, -1 for a tie.

    After `COLUMNS` and those of `scores` come those of the store that make subgroups. Others (names, remarks), and those called
    like one before, stay in the store: predictions are kept and passed on.
    """
    test, classes = store.indices("test"), (*store.classes, "undecided")
    columns = {name: cells[test] for name, cells in store.columns.items() if name not in (*COLUMNS, *scores)}
    columns = {name: cells for name, cells in columns.items() if makes_subgroups(cells)}
    actual, predicted = ([classes[label] for label in labels] for labels in (store.labels[test], decisions))
    rows = zip(store.names[test], store.groups[test], actual, predicted, *scores.values(), *columns.values(), strict=True)
    return [*COLUMNS, *scores, *columns], rows
