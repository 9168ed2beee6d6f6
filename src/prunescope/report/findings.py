"""The page's sections of results: the answer, the verdicts, accuracies, who pays, students."""

from collections.abc import Iterator

from prunescope.evidence import classes, differences, facts, quality
from prunescope.evidence.claims import RULES, Judged, cells_table, claims_table
from prunescope.evidence.students import student_table
from prunescope.report.answer import answer, chance
from prunescope.report.blocks import Block, Table, Text
from prunescope.results.grid import Grid
from prunescope.results.results import Results

NO_PAPER = (
    "The paper's own accuracies do not come with the project: rows in src/prunescope/evidence/paper.csv appear "
    "beside ours wherever a cell is the paper's."
)


def verdict_blocks(results: Results, judged: Judged) -> Iterator[Block]:
    """The answer and the headline table: the first screen."""
    seen, meaning = answer(results, judged)
    yield Text(f"{seen} {meaning}", lead=True)
    equal = "" if facts.budgets_differ(results) else " at equal training budgets"
    yield Table(
        quality.headline_table(results),
        f"Balanced accuracy % of the test split{equal}, {_seeds(results.grid)}. Source: metrics/summary.csv.",
        labels=3,
    )
    if moved := chance(results):
        yield Text(moved)


def claim_blocks(judged: Judged) -> Iterator[Block]:
    yield Table(claims_table(judged), "The conclusions of Akhtar and Bathula, judged by this study's numbers.", labels=6)
    yield Text(RULES)
    yield Table(
        cells_table(judged),
        "The same cell by cell. Positive differences speak for the conclusion. "
        "Sources: metrics/summary.csv, metrics/cka, metrics/prune.",
        labels=8,
        folded=True,
    )


def accuracy_blocks(results: Results) -> Iterator[Block]:
    paper = quality.paper_accuracies()
    table = quality.accuracy_table(results, paper)
    budget = "Attention: not all arms trained for the same number of steps, see below."
    if not facts.budgets_differ(results):
        budget = "The dense control trained for as many steps as the pruned arms."
    yield Table(
        table,
        f"Test split, which no training stage reads; {_seeds(results.grid)}. {budget} Sparsity counts prunable weights "
        "(conv and linear), compression all parameters. Source: metrics/summary.csv.",
        labels=4,
    )
    if paper.empty:
        yield Text(NO_PAPER)
    elif "paper %" not in table.columns:
        yield Text("None of the paper's transcribed accuracies belongs to a cell of this study.")
    yield Table(
        differences.difference_table(results),
        "Pairs of networks that share seed, base and images: mean difference over n seeds, in brackets its 95 % interval "
        "(Student's t). Where it spans zero no difference is shown; that is not proof of equality. Shown by the images: in how "
        "many seeds a bootstrap over test images (lesions) alone leaves zero out. Each row stands for itself: one in twenty "
        "shows a difference by chance, which the answer at the top allows for. Sources: metrics/summary.csv, metrics/evaluate.",
        labels=4,
    )
    yield Table(
        quality.metrics_table(results),
        "All metrics of the test split. AUC: mean over classes of one against the rest; Brier score from 0 to 2; ECE with "
        "equal-width bins of confidence. A tie for the highest output counts as wrong. Intervals of each "
        "network over test images stand in metrics/evaluate. Sources: metrics/summary.csv, metrics/evaluate.",
        labels=4,
    )


def who_pays_blocks(results: Results) -> Iterator[Block]:
    table = classes.who_pays_table(results)
    if table.empty:
        yield Text("The change of each class's recall: not run.")
        return
    yield Table(
        table,
        "Change of recall (sensitivity) from the dense control to each method, in percentage points, mean over seeds; per cell "
        f"up to {classes.SHOWN} classes, those that lose most on average first. In brackets 95 % intervals over test images, "
        "resampled by group (lesion); a dot where they leave zero out, a second one where the interval over seeds (Student's t) "
        "does too: trained again, a network wins and loses classes that pruning has nothing to do with. With many classes some "
        "do so by chance alone (one in twenty). Source: the predictions under metrics/evaluate.",
        labels=4,
    )
    yield Table(
        classes.lost_table(results),
        "Images that the dense control gets right and every pruned network of the same seed gets wrong. `prunescope gallery` "
        "shows them where the data is: they may not be passed on. Source: the predictions under metrics/evaluate.",
        labels=3,
    )
    if many := quality.many_classes(results):
        yield Text(
            f"{', '.join(many)}: too many classes for a table of each and for confusion matrices; all of them stand in the files "
            "named ...-classes.csv and ...-predictions.csv under metrics/evaluate."
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


def student_blocks(results: Results) -> Iterator[Block]:
    table = student_table(results)
    if table.empty:
        yield Text("No model of this study teaches a student.")
        return
    yield Table(
        table,
        "Students beside their teachers; alone: the same steps without a teacher. The gain is in balanced accuracy, paired by "
        "seed, with its 95 % interval. A student is a dense network: it can have more nonzero parameters than its pruned "
        "teacher and still be the one that is really faster. Source: metrics/summary.csv, metrics/evaluate.",
        labels=4,
    )


def _seeds(grid: Grid) -> str:
    return "mean ± sample standard deviation over n seeds" if len(grid.seeds) > 1 else "n = 1: one seed, so no error bar"
