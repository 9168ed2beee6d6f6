"""The first screen's sentences: the best guess, what is safe, what loses, who pays, what it saves, what would decide the rest."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from prunescope.evidence import contrasts, endpoints
from prunescope.evidence.differences import Compare, judged, named
from prunescope.evidence.inference import BETTER, EQUAL, LEVEL, OPEN, WORSE
from prunescope.evidence.potential import shown_safe
from prunescope.evidence.seeds import what_would_decide
from prunescope.evidence.storage import measured_speed
from prunescope.evidence.students import judged_gains
from prunescope.evidence.text import ends, listed, places, plural
from prunescope.report.who_pays import LISTED, critical, pays
from prunescope.results.grid import DENSE, Cell, cells_of, levels
from prunescope.results.results import Results

NETWORKS = 8  # cells up to which they are named
NO_FASTER = 0.9  # of the unpruned network's time: what zeros save no dense kernel saves
Networks = Mapping[tuple[Cell, str], Compare]  # each method of each cell against the dense control


def sentences(results: Results) -> list[str]:
    """What someone needs who must choose; verdicts are those of the tables below."""
    every = {(cell, pair[0]): of for cell, known in judged(results).items() for pair, of in known.items() if pair[1] == "dense"}
    every = {key: of for key, of in every.items() if of.judgement.estimate.n}
    if not every:
        return ["Nothing to decide from yet: no pruned network has been evaluated beside its dense control."]
    found = {key: of for key, of in every.items() if key[1] in results.grid.choices}  # nobody chooses a negative control
    among = f"allowing for all {len(every)} comparisons"
    parts = (_guess(results, found), _safe(results, found, among), _lose(results, found, among), _cause(results))
    parts += (critical(results), pays(results))
    last = (_students(results), _costs(results), _next(results, found))
    return [text.replace(" -", " −").replace("[-", "[−") for part in (*parts, *last) for text in part]


def _guess(results: Results, found: Networks) -> Iterator[str]:
    """At the first level, by data set, the methods by their mean difference from dense over the models that ran all of them."""
    level, methods, clauses = levels(results.grid)[0], results.grid.choices, []
    for dataset in results.grid.datasets:
        cells = [cell for cell in cells_of(results.grid) if (cell.dataset, cell.sparsity) == (dataset, level)]
        cells = [cell for cell in cells if all((cell, of) in found for of in methods)]
        if not cells or len(methods) < 2:
            continue
        means = {of: round(fmean(found[cell, of].judgement.estimate.mean for cell in cells), 1) + 0.0 for of in methods}
        best, *rest = sorted(methods, key=lambda of: -means[of])
        dense = ", ".join(f"{fmean(endpoints.by_seed(results, cell, 'dense').values()):.1f} %" for cell in cells)
        others = ", ".join(f"{of} {means[of]:+.1f}" for of in rest)
        over = f", mean of {len(cells)} models" if len(cells) > 1 else ""
        clauses.append(f"for {dataset} {best}, {means[best]:+.1f} {_unit(results, dataset)}{over} ({others}; dense {dense})")
    if clauses:
        yield f"Best guess at {level * 100:g} %, against an equally trained dense network: {'; '.join(clauses)}."


def _safe(results: Results, found: Networks, among: str) -> Iterator[str]:
    """Where each method is shown to lose less than the margin: among all comparisons, and what more where each is taken by
    itself."""
    measured = dict.fromkeys(endpoints.title(results.grid.primary_of(cell.dataset)) for cell, _ in found)
    bound = f"shown to lose less than {plural(results.grid.margin, 'point')} of {' or '.join(measured)}"
    sure = {key for key, of in found.items() if of.verdict in (BETTER, EQUAL)}
    alone = {
        key
        for key, of in found.items()
        if of.judgement.estimate.measured and shown_safe(of.judgement.estimate, results.grid.margin)
    }
    shown = "; ".join(_where(results, found, sure, none="none"))
    text = f"Safe, {bound}, {among}: {shown}" if sure else f"Not shown safe: no method is {bound}, {among}"
    more = "; ".join(_where(results, found, alone - sure))
    yield f"{text}. Taken singly {'also ' if sure else ''}{more}." if more else f"{text}."


def _where(results: Results, found: Networks, some: set[tuple[Cell, str]], none: str = "") -> Iterator[str]:
    """A clause for all cells of which the same is said, or for each level where there are many; none: what is said of one without
    any of `some`, empty to leave it out."""
    cells, methods = list(dict.fromkeys(cell for cell, _ in found)), results.grid.choices
    everyone = _everyone(results)
    if len(cells) <= NETWORKS:
        same: dict[str, list[Cell]] = {}  # cells of which the same is said
        for cell in cells:
            names = [method for method in methods if (cell, method) in some]
            same.setdefault(everyone if len(names) == len(methods) > 1 else listed(names), []).append(cell)
        without = same.pop("", [])
        yield from (f"{said} of {places(found_at)}" for said, found_at in same.items())
        if without and none:
            yield f"{none} {f'in the other {len(without)} cells' if same and len(without) > 1 else f'of {places(without)}'}"
        return
    for level in sorted(levels(results.grid)):
        here = [cell for cell in cells if cell.sparsity == level]
        counts = {method: sum((cell, method) in some for cell in here) for method in methods}
        best = [f"{method} in {count}" for method, count in sorted(counts.items(), key=lambda of: -of[1]) if count]
        if here and (said := listed(best) or none):
            yield f"at {level * 100:g} %, of {plural(len(here), 'network')}, {said}"


def _lose(results: Results, found: Networks, among: str) -> Iterator[str]:
    """What is shown to lose, and what is certain to lose less than the margin."""
    lost: dict[Cell, list[tuple[float, str]]] = {}
    for (cell, method), of in found.items():
        if of.verdict == WORSE:
            lost.setdefault(cell, []).append((of.judgement.estimate.mean, method))
    sure = [
        f"{method} of {cell} {of.judgement.estimate.mean:+.2f}"
        for (cell, method), of in found.items()
        if of.verdict == EQUAL and of.judgement.p < 1 - LEVEL and of.judgement.estimate.mean < 0
    ]
    bound = plural(results.grid.margin, "point")
    small = f" Certain as well, but less than {bound}: {', '.join(sure)}." if sure else ""
    if not lost and not sure:
        once = max(of.judgement.estimate.n for of in found.values()) < 2
        yield (
            "Losses: one seed proves none; differences between seeds were not measured."
            if once
            else ("Losses: none is shown against a dense network that trained as long.")
        )
        return
    if not lost:
        yield f"Losses that may reach {bound}: none is shown against a dense network that trained as long.{small}"
        return
    named = [
        f"{cell} {_worst(sorted(of), results)} {_unit(results, cell.dataset)}"
        for cell, of in sorted(lost.items(), key=lambda of: min(of[1]))
    ]
    listed_here = named if len(named) <= LISTED + 1 else named[:LISTED]
    more = f"; {plural(len(named) - LISTED, 'more network')} in the tables" if listed_here != named else ""
    yield f"Losses, shown to be below dense, {among}: {'; '.join(listed_here)}{more}.{small}"


def _worst(lost: Sequence[tuple[float, str]], results: Results) -> str:
    """Means and methods, the worst first; of many the ends."""
    said = [f"{method} {mean:+.1f}" for mean, method in lost]
    if len(said) <= LISTED:
        return ", ".join(said)
    return f"{_everyone(results) if len(said) == len(results.grid.choices) else f'{len(said)} methods'}, {said[0]} to {said[-1]}"


def _everyone(results: Results) -> str:
    left = [name for name in results.grid.methods if name not in results.grid.choices]
    return f"every method but the control {listed(left)}" if left else "every method"


def _cause(results: Results) -> Iterator[str]:
    """Whether it is the levels of the layers or the schedule that differences come from."""
    ran = {
        cell: {name: of for name, of in found.items() if of.judgement.estimate.n}
        for cell, found in contrasts.judged(results, contrasts.factorial).items()
    }
    at_levels = {cell: of[contrasts.LEVELS] for cell, of in ran.items() if contrasts.LEVELS in of}
    schedules = [of.verdict for found in ran.values() for name, of in found.items() if name.startswith(contrasts.SCHEDULE)]
    if not at_levels or not schedules:
        return
    verdicts = [of.verdict for of in at_levels.values()]
    worse = [(of.judgement.estimate.mean, cell, of) for cell, of in at_levels.items() if of.verdict == WORSE]
    most = ""
    if worse:
        _, cell, of = min(worse, key=lambda of: of[0])
        most = f" (most in {cell}, {of.judgement.estimate.text()} {_unit(results, cell.dataset)})"
    better = f", better in {verdicts.count(BETTER)}" if BETTER in verdicts else ""
    ranked, uniform = (_multiplied(results, [pair[place] for pair in contrasts.FACTORS.values()]) for place in (0, 1))
    differ, equal = (sum(word in words for word in schedules) for words in ((BETTER, WORSE), (EQUAL,)))
    yield (
        f"Cause, levels or schedule: the same level for every layer, which leaves {uniform} of the multiplications, is shown "
        f"to be worse than one ranking of all weights ({ranked}) in {len(worse)} of {plural(len(verdicts), 'cell')}{better}{most}"
        f"; {_apart(results)}; their means over both kinds in {differ} of {plural(len(schedules), 'comparison')}, and "
        f"{equal} of them are equal within the margin."
    )


def _apart(results: Results) -> str:
    """Schedules with the same kind of levels: how many pairs are shown to differ, and which the most."""
    pairs = list(contrasts.schedules_apart(results))
    shown = [(of.judgement.estimate.mean, pair, cell) for cell, pair, of in pairs if of.verdict in (BETTER, WORSE)]
    most = [
        f"{named(pair if mean < 0 else (pair[1], pair[0]))} of {cell} {-abs(mean):+.1f} {_unit(results, cell.dataset)}"
        for mean, pair, cell in sorted(shown, key=lambda of: -abs(of[0]))[:LISTED]
    ]
    names = f" ({'most ' if len(shown) > LISTED else ''}{', '.join(most)})" if most else ""
    return f"schedules with the same kind of levels are shown to differ in {len(shown)} of {plural(len(pairs), 'pair')}{names}"


def _multiplied(results: Results, methods: Sequence[str]) -> str:
    """Which share of the dense network's multiply-accumulates these leave, over all cells."""
    rows = results.summary[(results.summary["kind"] == "pruned") & results.summary["method"].isin(methods)]
    return f"{ends((rows['nonzero_macs'] / rows['macs'] * 100).dropna(), '.0f')} %"


def _students(results: Results) -> Iterator[str]:
    """By data set what a teacher gains a student, dense and pruned ones, over the student that learns from labels alone."""
    gains = {key: of for key, of in judged_gains(results).items() if key[1] in (DENSE, *results.grid.choices)}
    gains = {key: of for key, of in gains.items() if of.judgement.estimate.n}
    clauses = []
    for dataset in results.grid.datasets:
        mine = {key: of.judgement.estimate.mean for key, of in gains.items() if key[0].dataset == dataset}
        dense = [f"taught by {of} {mean:+.1f}" for (_, of), mean in mine.items() if of == DENSE]
        pruned = sorted(
            (mean, f"{mean:+.1f} ({of} at {cell.sparsity * 100:g} %)") for (cell, of), mean in mine.items() if of != DENSE
        )
        ends = dict.fromkeys(text for _, text in (*pruned[:1], *pruned[-1:]))
        by = [*dense, *([f"by pruned networks {' to '.join(ends)}"] if ends else [])]
        clauses += [f"for {dataset} {', '.join(by)} {_unit(results, dataset)}"] if by else []
    if clauses:
        verdicts = [of.verdict for of in gains.values()]
        shown = f"shown to be better in {verdicts.count(BETTER)} of {len(verdicts)}, worse in {verdicts.count(WORSE)}"
        yield f"Students, over the same student without a teacher: {'; '.join(clauses)}; {shown}."


def _costs(results: Results) -> Iterator[str]:
    """What pruning saves, at the first level."""
    level = levels(results.grid)[0]
    pruned = results.summary[(results.summary["kind"] == "pruned") & (results.summary["sparsity"] == level)]
    ratio = (pruned["size_dense_bytes"] / pruned["size_packed_bytes"]).dropna()
    if len(ratio):
        times = f"{ends(ratio, '.1f')} times"
        smaller = f"packed files at {level * 100:g} % are {times} smaller than the dense network's plain one"
        smaller += ", networks no faster" if pruned["batch_1_to_dense"].min() > NO_FASTER else ""
        yield f"Size and speed: {smaller}. {measured_speed(results, level)}".rstrip()


def _next(results: Results, found: Networks) -> Iterator[str]:
    """What would decide what is open, negative controls aside."""
    unsure = [key for key, of in found.items() if of.verdict == OPEN]
    if not unsure:
        return
    cell, method = min(unsure, key=lambda key: (_error(found[key]), key))
    of = found[cell, method].judgement
    count = f"{len(unsure)} of {len(found)} comparisons with dense are open"
    question = f"{method} of {cell}, whether it loses more than {plural(results.grid.margin, 'point')}"
    yield f"Next: {count}; the nearest to a decision is {question}: {what_would_decide(of)} in all, now {of.estimate.n}."


def _error(of: Compare) -> float:
    estimate = of.judgement.estimate
    return estimate.error if estimate.measured else float("inf")


def _unit(results: Results, dataset: str) -> str:
    return f"points of {endpoints.title(results.grid.primary_of(dataset))}"
