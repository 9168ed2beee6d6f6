"""The first screen's sentences: the best guess, which methods are safe, which lose, who pays, what would decide the rest."""

from collections.abc import Iterator, Mapping
from statistics import fmean

from prunescope.evidence import endpoints
from prunescope.evidence.classes import judged_recall, recall_changes
from prunescope.evidence.differences import Compare, between, judged
from prunescope.evidence.inference import BETTER, EQUAL, OPEN, WORSE, Judgement
from prunescope.evidence.seeds import what_would_decide
from prunescope.results.grid import Cell, cells_of, levels
from prunescope.results.results import Results

NAMED = {"mel": "melanoma"}
LISTED = 3  # losses that a sentence names
Networks = Mapping[tuple[Cell, str], Compare]  # each method of each cell against the dense control


def sentences(results: Results) -> list[str]:
    """What someone needs who must choose; verdicts are those of the tables below."""
    found = {(cell, pair[0]): of for cell, known in judged(results).items() for pair, of in known.items() if pair[1] == "dense"}
    found = {key: of for key, of in found.items() if of.judgement.estimate.n}
    if not found:
        return ["Nothing to decide from yet: no pruned network has been evaluated beside its dense control."]
    return [
        *_guess(results, found),
        _safe(results, found),
        _lose(results, found),
        *_pays(results, found),
        *_next(results, found),
    ]


def _guess(results: Results, found: Networks) -> Iterator[str]:
    """At the first level the methods by their mean difference from dense, over the networks in which all of them ran; and in how
    many of these the first is shown to be better than the last."""
    level, methods = levels(results.grid)[0], results.grid.methods
    cells = [cell for cell in cells_of(results.grid) if cell.sparsity == level and all((cell, of) in found for of in methods)]
    if not cells or len(methods) < 2:
        return
    means = {of: fmean(found[cell, of].judgement.estimate.mean for cell in cells) for of in methods}
    best, *rest = sorted(methods, key=lambda of: -means[of])
    better = sum(between(results, cell, best, rest[-1]).verdict == BETTER for cell in cells)
    others = ", ".join(f"{of} {means[of]:+.1f}" for of in rest)
    endpoint = "points" if len(cells) > 1 else _unit(results, cells[0])
    networks = f"{len(cells)} network{'s' * (len(cells) > 1)}"
    text = f"Best guess at {level * 100:g} %: {best}, {means[best]:+.1f} {endpoint} against dense on average over {networks}"
    text = f"{text} ({others}); shown to be better than {rest[-1]} in {better} of {len(cells)}."
    yield text.replace("-0.0", "0.0").replace(" -", " −")


def _safe(results: Results, found: Networks) -> str:
    """Per level, of how many networks each method is shown to lose less than the margin."""
    clauses = []
    for level in sorted(levels(results.grid)):
        here = {key: of for key, of in found.items() if key[0].sparsity == level}
        cells = {cell for cell, _ in here}
        counts = {
            method: sum(here[cell, method].verdict in (BETTER, EQUAL) for cell in cells if (cell, method) in here)
            for method in results.grid.methods
        }
        best = [
            f"{method} in {count} of {len(cells)}" for method, count in sorted(counts.items(), key=lambda of: -of[1]) if count
        ]
        if cells:
            clauses.append(f"at {level * 100:g} % {_listed(best) if best else 'none'}")
    if not any(" of " in clause for clause in clauses):
        return f"Safe: no method is shown to stay within {_points(results.grid.margin)} of the dense control at any level."
    bound = f"shown to lose less than {_points(results.grid.margin)} against the dense control"
    return f"Safe, {bound}, of the networks (model and data set): {'; '.join(clauses)}."


def _lose(results: Results, found: Networks) -> str:
    lost = sorted((of.judgement.estimate.mean, key) for key, of in found.items() if of.verdict == WORSE)
    if not lost:
        if max(of.judgement.estimate.n for of in found.values()) < 2:
            return "Losses: one seed proves none; differences between seeds were not measured."
        return "Losses: none is shown against a dense network that trained as long."
    named = [f"{method}, {cell} ({-mean:.1f} {_unit(results, cell)})" for mean, (cell, method) in lost[:LISTED]]
    more = f"; {len(lost) - LISTED} more in the tables" if len(lost) > LISTED else ""
    return f"Losses, shown: {'; '.join(named)}{more}."


def _unit(results: Results, cell: Cell) -> str:
    return f"points of {endpoints.title(results.grid.primary_of(cell.dataset))}"


def _pays(results: Results, found: Networks) -> Iterator[str]:
    """A sentence: of each data set the critical class and the class that loses most."""
    verdicts, parts = judged_recall(results), []
    for dataset in results.grid.datasets:
        changes = [
            (float(row[method]) * 100, str(row["class"]), method, cell)
            for cell in cells_of(results.grid)
            if cell.dataset == dataset
            for _, row in recall_changes(results, cell).iterrows()
            for method in results.grid.methods
            if row[method] == row[method]
        ]
        if not changes:
            continue
        wanted = [[of for of in changes if of[1] == name] for name in results.grid.critical]
        for some, critical in [*((of, True) for of in wanted if of), (changes, False)]:
            change, name, method, cell = min(some, key=lambda of: of[0])
            if not critical and name in results.grid.critical:
                continue  # the class that loses most is the critical one, which was said
            judgement = verdicts.get((cell, method, name))
            title = NAMED.get(name, name) if critical else f"the class that loses most, {NAMED.get(name, name)}"
            parts.append(
                f"{title} ({dataset}) up to {_loss(change)} of recall, with {method} of {_where(cell)}, {_sure(judgement)}"
            )
    if parts:
        yield f"Who pays: {'; '.join(parts)}."


def _where(cell: Cell) -> str:
    return f"{cell.model} at {cell.sparsity * 100:g} %"


def _loss(change: float) -> str:
    return f"{abs(change):.1f} points{' more' if change > 0 else ''}"


def _sure(judgement: Judgement | None) -> str:
    if judgement is None:
        return "too few images to judge"
    if not judgement.estimate.measured:
        return "not shown: one seed"
    reach = f"[{judgement.estimate.low:+.1f}, {judgement.estimate.high:+.1f}]".replace("-", "−")
    word = (
        "shown"
        if judgement.verdict == WORSE
        else "likely, not shown among all classes"
        if judgement.estimate.high < 0
        else "not shown"
    )
    return f"{word} {reach}"


def _next(results: Results, found: Networks) -> Iterator[str]:
    """What would decide what is open at the study's first level."""
    unsure = [key for key, of in found.items() if of.verdict == OPEN]
    if not unsure:
        return
    least = min((_seeds(found[key]), key) for key in unsure)
    (cell, method) = least[1]
    wanted = what_would_decide(found[cell, method].judgement)
    count = f"{len(unsure)} of {len(found)} comparisons with dense are open"
    yield f"Next: {count}; the nearest to a decision is {method} of {cell}: {wanted}."


def _seeds(of: Compare) -> float:
    """Roughly how far a comparison is from being decided: its error against its size."""
    estimate = of.judgement.estimate
    return estimate.error if estimate.measured else float("inf")


def _points(margin: float) -> str:
    return f"{margin:g} point{'s' * (margin != 1)}"


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
