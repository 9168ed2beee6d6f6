"""The page's sections of results: the answer, the verdicts, accuracies, who pays, students."""

from collections.abc import Iterator

import pandas as pd

from prunescope.evidence import beside, classes, differences, endpoints, facts, foretelling, paper, quality
from prunescope.evidence.claims import Judged
from prunescope.evidence.critical import critical_table
from prunescope.evidence.missing import not_run
from prunescope.evidence.students import student_table
from prunescope.evidence.studywide import elsewhere, here, over_study
from prunescope.evidence.verdicts import by_dataset, cells_table, claims_table, rules
from prunescope.report import decision, pictures, roc, words
from prunescope.report.answer import answer, chance, of_others
from prunescope.report.blocks import Block, Bullets, Chips, Points, Table, Text
from prunescope.results.grid import Cell, Grid, levels
from prunescope.results.results import Results
from prunescope.results.summary import runs


def verdict_blocks(results: Results, judged: Judged) -> Iterator[Block]:
    """The first screen: sentences, the paper's conclusions at a glance, and what every method loses."""
    yield Points(decision.sentences(results))
    yield Text(words.words(results.grid), folded=True)
    yield from pictures.forest_figure(results)
    about = [claim.text for claim, cells in judged.items() if cells]
    over = [over_study(cells) for cells in judged.values() if cells]
    yield Chips(
        list(zip(about, map(here, over), strict=True)),
        "The conclusions of Akhtar and Bathula (the paper whose question this study asks), by the mean of these networks"
        f"{of_others([elsewhere(of) for of in over])}.",
    )
    equal = "" if facts.budgets_differ(results) else " at equal training budgets"
    headline, labels = quality.headline_table(results)
    yield Table(
        headline,
        f"The primary endpoint of each data set on the test split{equal}, {_seeds(results.grid)}. Source: metrics/summary.csv.",
        labels=labels,
        folded=True,
    )
    missing = not_run(results)
    if missing and len(results.summary):
        yield Text(f"Not run, and left out: {'; '.join(missing)}.")
    if moved := chance(results):
        yield Text(moved)


def ran(results: Results, cell: Cell) -> list[str]:
    """The methods of a cell that were evaluated with some seed."""
    return [method for method in results.grid.methods if len(runs(results.summary, cell, method))]


def claim_blocks(results: Results, judged: Judged) -> Iterator[Block]:
    seen, meaning = answer(results, judged)
    yield Text(f"{seen} {meaning}")
    table = claims_table(judged)
    verdicts = ["no.", "in these networks", "of others like them", "conclusion of the paper"]
    each, means = by_dataset(results)
    short = pd.concat([table[verdicts], each, table["cells"]], axis=1)
    families = " Each data set alone: the mean of its networks, at levels that all of these have." if len(each.columns) else ""
    yield Table(
        short, f"The conclusions of Akhtar and Bathula, judged by this study's numbers.{families}", labels=len(short.columns)
    )
    rest = [name for name in table.columns if name not in (*verdicts[1:], "cells")]
    numbers = pd.concat([table[rest], means], axis=1)
    yield Table(numbers, "The numbers behind them, and what would decide what is open.", labels=1, folded=True)
    if len(found := claims_table(beside.judged(results))):
        yield Table(
            found.rename(columns={"conclusion of the paper": "beside the conclusion of this number"}),
            "Related questions by the same rules: a cause held still, or the same asked in another way. No verdict above "
            "rests on them.",
            labels=4,
            folded=True,
        )
    yield Bullets("How it is decided.", rules(results.grid))
    yield Table(
        cells_table(judged),
        "Verdicts and differences cell by cell. Positive differences speak for the conclusion. "
        "Sources: metrics/summary.csv, metrics/cka, metrics/prune.",
        labels=5,
        folded=True,
    )
    yield from pictures.paper_figure(results, judged)
    yield Table(
        paper.judged_table(paper.accuracies(), results.grid.margin),
        "The paper's own 24 accuracies (Fig. 6 to 9) by the same rules. They are of one seed, so 2 models and 2 data sets are "
        "the only replicates: the mean over 4 networks (8 cells), in brackets its widest 95 % interval. Of its other conclusions "
        "the paper prints no numbers.",
        labels=3,
        folded=True,
    )


def accuracy_blocks(results: Results) -> Iterator[Block]:
    table = quality.accuracy_table(results, paper.accuracies())
    budget = "Attention: not all arms trained for the same number of steps, see below."
    if not facts.budgets_differ(results):
        budget = "The dense control trained for as many steps as the pruned arms."
    yield from pictures.level_figure(results)
    if len(levels(results.grid)) > 1:
        yield from pictures.forest_figure(results, every_level=True)
    yield Table(
        table,
        f"Accuracy of every network. Test split, which no training stage reads; {_seeds(results.grid)}. {budget} Sparsity "
        "counts prunable weights (conv and linear), compression all parameters. Source: metrics/summary.csv.",
        labels=4,
        folded=True,
    )
    if "paper %" not in table.columns:
        yield Text("None of the paper's accuracies belongs to a cell of this study.")
    yield Table(
        differences.difference_table(results),
        "Every difference with its interval and p. Pairs of networks that share seed, base and images, on the primary endpoint "
        f"({endpoints.titles(results)}): mean difference over n seeds, in brackets its 95 % interval over new seeds and test "
        "images. Errors are standard errors of the mean: of seeds, pooled over the networks of the cell, and of what all seeds "
        "share of the draw of test images (lesions; a dash where predictions are missing, and then new test images are not "
        "spoken of). p and verdict allow for all comparisons of methods with each other, or of methods with dense (Holm). What "
        "would decide: seeds for a probability of 80 % to show the margin, or what was seen if that is larger; in brackets "
        "what the spread, known from few seeds, leaves possible. Sources: metrics/summary.csv, metrics/evaluate.",
        labels=4,
        folded=True,
    )
    yield from _foretelling(results)
    yield Table(
        quality.metrics_table(results),
        "All metrics of the test split. AUC: mean over classes of one against the rest; Brier score from 0 to 2; ECE with "
        "equal-width bins of confidence. A tie for the highest output counts as wrong. Intervals of each "
        "network over test images stand in metrics/evaluate. Sources: metrics/summary.csv, metrics/evaluate.",
        labels=4,
        folded=True,
    )


def who_pays_blocks(results: Results) -> Iterator[Block]:
    table = classes.who_pays_table(results)
    if table.empty:
        yield Text("The change of each class's recall: not run.")
        return
    yield from pictures.harm_figures(results)
    yield from roc.blocks(results)
    yield Table(
        table,
        "Change of recall (sensitivity) from the dense control to each method, in percentage points, mean over seeds; per cell "
        f"up to {classes.SHOWN} classes, those that lose most on average first. {_brackets(results)} A dot: the interval leaves "
        "zero out, by itself (with many classes some do so by chance alone, one in twenty). Two dots: shown, allowing for all "
        f"classes, methods and cells (Holm; classes of fewer than {classes.FEWEST} groups are not judged). Trained again, a "
        "network wins and loses classes that pruning has nothing to do with. Source: the predictions under metrics/evaluate.",
        labels=4,
        folded=True,
    )
    yield from _critical(results)
    yield Table(
        classes.lost_table(results),
        "Images that the dense control gets right and every pruned network of the same seed gets wrong. `prunescope gallery` "
        "shows them where the data is: they may not be passed on. Source: the predictions under metrics/evaluate.",
        labels=3,
        folded=True,
    )
    if many := quality.many_classes(results):
        yield Text(
            f"{', '.join(many)}: too many classes for a table of each and for confusion matrices; all of them stand in the files "
            "named ...-classes.csv and ...-predictions.csv (predictions.csv in an archive) under metrics/evaluate."
        )
    each = quality.class_metrics_table(results)
    if len(each):
        yield Table(
            each,
            f"Classes one by one, {_seeds(results.grid)}. Intervals over test images stand in the files. Source: the class files "
            "under metrics/evaluate.",
            labels=5,
            folded=True,
        )


def _brackets(results: Results) -> str:
    """Of what the table's intervals speak: of one kind in the whole section."""
    if classes.over_seeds(results):
        return (
            "In brackets 95 % intervals over new seeds and test images, drawn by group (lesion); none where one seed ran, or for "
            f"a class of fewer than {classes.FEWEST} groups."
        )
    return "In brackets 95 % intervals over test images alone, drawn by group (lesion), for seeds did not measure their noise."


def _foretelling(results: Results) -> Iterator[Block]:
    table = foretelling.table(results)
    if len(table):
        yield Table(
            table,
            "Does the order of the methods right after the last pruning foretell their order at the end? Kendall's rank "
            "correlation of accuracies (1: the same order, -1: the reverse, 0: no hint), mean over seeds and levels, then over "
            "models and data sets, with the widest 95 % interval over these (over seeds where there is one), which is of these "
            "methods: that others would keep their order too it does not show. Re-estimated: with batch-norm statistics measured "
            "anew. Pairs: how many pairs of methods of a seed keep their order. Source: metrics/summary.csv.",
            labels=1,
            folded=True,
        )


def _critical(results: Results) -> Iterator[Block]:
    table = critical_table(results)
    if len(table):
        yield Table(
            table,
            "Critical classes (evaluate.critical): sensitivity as decided, and with the threshold moved to the dense control's "
            "specificity of the same seed, since an operating point can shift; the change from the control there, with its 95 % "
            "interval over new seeds and images of the class (the threshold as it is), and a verdict among all rows. Classes of "
            f"fewer than {classes.FEWEST} groups (lesions) are left out. Source: the scores in the predictions under "
            "metrics/evaluate.",
            labels=5,
        )


def student_blocks(results: Results) -> Iterator[Block]:
    table = student_table(results)
    if table.empty:
        yield Text("No model of this study teaches a student.")
        return
    yield Table(
        table,
        "Students beside their teachers; alone: the same steps without a teacher. The gain is in "
        f"{endpoints.titles(results)}, paired by seed, with its 95 % interval; the verdict allows for the number of students. A "
        "student is a dense network: it can have more nonzero parameters than its pruned teacher and still be the one that is "
        "really faster. Source: metrics/summary.csv, metrics/evaluate.",
        labels=4,
        folded=True,
    )


def _seeds(grid: Grid) -> str:
    return "mean ± sample standard deviation over n seeds" if len(grid.seeds) > 1 else "n = 1: one seed, so no error bar"
