"""Sentences of the first screen about classes: what critical ones lose, and who pays."""

from collections.abc import Iterator, Mapping

from prunescope.evidence import quality
from prunescope.evidence.classes import FEWEST, judged_recall, recall_changes
from prunescope.evidence.inference import WORSE, Judgement
from prunescope.results.grid import DENSE, Cell, arms_of, cells_of, levels
from prunescope.results.results import Results

CLASSES = {
    "mel": "melanoma (mel)",
    "nv": "naevus (nv)",
    "bcc": "basal cell carcinoma (bcc)",
    "akiec": "actinic keratosis (akiec)",
    "bkl": "benign keratosis (bkl)",
    "df": "dermatofibroma (df)",
    "vasc": "vascular lesion (vasc)",
}  # HAM10000's
LISTED = 3  # networks, or classes of a kind, that a sentence names
Lost = tuple[float, str, str, Cell, Judgement | None]  # points of recall, class, method, where, and its judgement


def critical(results: Results) -> Iterator[str]:
    """Of each critical class what every network changes of its recall at the first level, over new seeds and images; nobody
    chooses a negative control."""
    level, verdicts = levels(results.grid)[0], judged_recall(results)
    for name in results.grid.critical:
        clauses, judgements = [], []
        for cell in (cell for cell in cells_of(results.grid) if cell.sparsity == level):
            changes = recall_changes(results, cell)
            for _, row in changes[changes["class"] == name].iterrows() if len(changes) else ():
                known = {of: verdicts.get((cell, of, name)) for of in results.grid.choices}
                judgements += [of for of in known.values() if of is not None]
                said = each({of: 100 * float(row[of]) for of in known}, known)
                clauses.append(f"{cell.network} (dense {100 * row['dense']:.1f} %, {row['images']:,} images) {said}")
        if clauses:
            alone = sum(of.estimate.measured and of.estimate.high < 0 for of in judgements)
            lost = sum(of.verdict == WORSE for of in judgements)
            every = sum(of.estimate.measured for of in verdicts.values())
            subject = f"{_title(name).capitalize()}, change of recall at {level * 100:g} %, points"
            shown = (
                f"losses by themselves: {alone}; still shown, allowing for all {every:,} comparisons of classes: {lost or 'none'}"
            )
            yield f"{subject}: {'; '.join(clauses)}. {shown.capitalize()}."
            ranked = [
                clause for cell in cells_of(results.grid) if cell.sparsity == level for clause in _ranked(results, cell, name)
            ]
            if ranked:
                moved = "a gain of recall can be a moved threshold, which AUC does not see"
                yield f"{_title(name).capitalize()} without a threshold, AUC in %: {'; '.join(ranked)} ({moved})."


def each(changes: Mapping[str, float], known: Mapping[str, Judgement | None]) -> str:
    """Change and interval of each method; of many in full only the study's first ones and those that lose by themselves."""
    first = list(changes)[:LISTED] if len(changes) > quality.MANY else list(changes)
    alone = [of for of, found in known.items() if found is not None and found.estimate.measured and found.estimate.high < 0]
    full = [of for of in changes if of in first or of in alone]
    full = list(changes) if len(changes) - len(full) < 2 else full
    rest = [change for of, change in changes.items() if of not in full]
    said = ", ".join(f"{of} {changes[of]:+.1f}{_reach(known[of])}" for of in full)
    return said + (f", the {len(rest)} others {min(rest):+.1f} to {max(rest):+.1f}" if rest else "")


def _ranked(results: Results, cell: Cell, name: str) -> Iterator[str]:
    """AUC of a class, dense and each method of a cell, means over seeds; nothing where it is not known."""
    known: dict[str, list[float]] = {}
    for arm in arms_of(results.grid):
        here = (arm.model, arm.dataset) == (cell.model, cell.dataset)
        if here and (
            arm.method == DENSE or (arm.method in results.grid.choices and arm.kind == "pruned" and arm.sparsity == cell.sparsity)
        ):
            table = results.classes(arm)
            values = [] if table is None else table.loc[table["class"] == name, "auc"].dropna()
            known.setdefault(arm.method, []).extend(values)
    if known.get(DENSE):
        each = (f"{method} {100 * sum(values) / len(values):.1f}" for method, values in known.items() if values)
        yield f"{cell.network} {', '.join(each)}"


def pays(results: Results) -> Iterator[str]:
    """The losses of a class that are shown, and by data set the largest one seen; nobody chooses a negative control."""
    losses = list(_losses(results))
    looked = [of for of in losses if of[4] is not None and of[4].estimate.measured]
    every = [of for of in losses if of[2] not in results.grid.chance]
    if not every:
        return
    shown = sorted(of for of in every if of[4] is not None and of[4].verdict == WORSE)
    kinds = [f"shown: {'; '.join(_class(of) for of in shown[:LISTED])}"] if shown else []
    kinds += [] if shown or not looked else [f"no class is shown to lose, allowing for all {len(looked):,} comparisons"]
    named = {of[3].dataset for of in shown[:LISTED]}
    largest = [
        min(of for of in every if of[3].dataset == name)
        for name in results.grid.datasets
        if any(of[3].dataset == name for of in every)
    ]
    seen = [f"{_class(of)}, {_sure(of[4])}" for of in largest if of[3].dataset not in named and of[0] < 0]
    kinds += [f"the largest seen{' of other data sets' if shown else ''}: {'; '.join(seen)}"] if seen else []
    if kinds:
        yield f"Who pays, points of a class's recall: {'; '.join(kinds)}."


def _losses(results: Results) -> Iterator[Lost]:
    verdicts = judged_recall(results)
    for cell in cells_of(results.grid):
        for _, row in recall_changes(results, cell).iterrows():
            for method in results.grid.methods:
                if row[method] == row[method]:
                    name = str(row["class"])
                    yield float(row[method]) * 100, name, method, cell, verdicts.get((cell, method, name))


def _class(of: Lost) -> str:
    change, name, method, cell, _ = of
    return f"{_title(name)} {change:+.1f} with {method} of {cell}"


def _title(name: str) -> str:
    return CLASSES.get(name, name)


def _sure(judgement: Judgement | None) -> str:
    if judgement is None:
        return f"fewer than {FEWEST} groups, not judged"
    if not judgement.estimate.measured:
        return "one seed does not say how sure"
    if judgement.verdict == WORSE:
        return f"shown{_reach(judgement)}"
    likely = "likely by itself, not shown once all classes are counted"
    return f"{likely if judgement.estimate.high < 0 else 'unclear'}{_reach(judgement)}"


def _reach(judgement: Judgement | None) -> str:
    if judgement is None or not judgement.estimate.measured:
        return ""
    return f" [{judgement.estimate.low:+.1f}, {judgement.estimate.high:+.1f}]".replace("-", "−")
