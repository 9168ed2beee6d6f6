"""The page's section on causes: schedule or levels, what controls say, how far a method can go."""

from collections.abc import Iterator

from prunescope.evidence import contrasts, potential
from prunescope.report.blocks import Block, Table, Text
from prunescope.results.results import Results

JUDGED = "Points of the primary endpoint, in brackets 95 % intervals; p and verdict allow for all rows of this table (Holm)"

_CHANNELS = "channels: the base without the filters of the smallest L1 norm, as few parameters, trained for the budget. "


def blocks(results: Results) -> Iterator[Block]:
    yield from _factors(results)
    yield from _potential(results)
    found = contrasts.table(results, contrasts.controls)
    if len(found):
        yield Table(
            found,
            "Controls. dense − base: what the training budget gives without pruning. narrow: a dense network of fewer channels, "
            "with as many parameters as the pruned one has left (as near as whole channels come), trained as long as base and "
            "budget together. "
            f"{_CHANNELS if results.grid.channels else ''}random: the same "
            f"plan with random weights. taught: with the dense base as a teacher, the control by its own base. Controls of no "
            f"level stand once, at the lowest one. {JUDGED}. Source: metrics/summary.csv.",
            labels=4,
            folded=True,
        )


def _factors(results: Results) -> Iterator[Block]:
    found = contrasts.table(results, contrasts.factorial)
    if not len(found):
        return
    yield Text(
        "Schedule and levels are two causes: when weights go, and how many each layer loses. One ranking of all weights prunes "
        "early layers little, and leaves more arithmetic at the same sparsity."
    )
    yield Table(
        contrasts.levels_table(results),
        "Schedules by levels: the primary endpoint, and the multiply-accumulates that are left. Source: metrics/summary.csv.",
        labels=4,
        folded=True,
    )
    yield Table(found, f"Effects of each, averaged over the other. {JUDGED}. Source: metrics/summary.csv.", labels=4, folded=True)


def _potential(results: Results) -> Iterator[Block]:
    found = potential.table(results)
    if len(found):
        yield Table(
            found,
            f"Prune potential: the level up to which no loss of more than {results.grid.margin:g} points against the dense "
            "control is shown, and up to which it is shown that there is none (95 % intervals, each by itself; few seeds show "
            "little either way, one seed nothing: a level that has fewer than two, or did not run, ends both). Source: "
            "metrics/summary.csv.",
            labels=3,
            folded=True,
        )
