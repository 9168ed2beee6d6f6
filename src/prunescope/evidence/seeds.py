"""How many seeds would show a difference, with what is not known of the spread that this is reckoned from."""

from prunescope.evidence.inference import LEVEL, Estimate, Judgement

POWER = 0.8
MOST_SEEDS = 100  # beyond them "more seeds" is no advice


def seeds_needed(estimate: Estimate, size: float, comparisons: int = 1) -> int | None:
    """Fewest seeds with which a true difference of `size` is shown among so many comparisons with a probability of 80 %.

    The error of the test images stays, whatever the number of seeds. None beyond `MOST_SEEDS`, or without a spread.
    """
    from scipy.stats import nct, t  # slow to import

    if not estimate.measured or size <= 0:
        return None
    for n in range(2, MOST_SEEDS + 1):
        df = estimate.df * (n - 1) / (estimate.n - 1)  # of the same arms with so many seeds
        there = Estimate(size, n, estimate.spread, df, estimate.images)
        bound = t.isf((1 - LEVEL) / (2 * comparisons), there.freedom)
        if nct.sf(bound, there.freedom, size / there.error) >= POWER:
            return n
    return None


def spread_interval(estimate: Estimate) -> tuple[float, float]:
    """95 % interval of the spread (a variance), from the chi-square of its degrees of freedom."""
    from scipy.stats import chi2

    tail = (1 - LEVEL) / 2
    low, high = (estimate.spread * estimate.df / float(chi2.isf(p, estimate.df)) for p in (tail, 1 - tail))
    return low, high


def hidden_by_images(estimate: Estimate, size: float, comparisons: int = 1) -> bool:
    """Whether no number of seeds would show a difference of `size`, so much does it depend on the draw of test images."""
    from scipy.stats import norm

    bound = norm.isf((1 - LEVEL) / (2 * comparisons)) + norm.isf(1 - POWER)
    return size < float(bound) * estimate.of_images**0.5


def size_wanted(judgement: Judgement) -> float:
    """The difference that is worth showing: the margin, or what was seen if larger."""
    return max(judgement.margin, abs(judgement.estimate.mean))


def what_would_decide(judgement: Judgement, unit: str = "seeds") -> str:
    """In words, for an open comparison: how many seeds (models, data sets) would show `size_wanted`."""
    estimate, family = judgement.estimate, judgement.family
    if estimate.n < 2:
        return f"three {unit} or more"
    if not estimate.measured:
        return f"more {unit}: these differ all alike"
    size = size_wanted(judgement)
    if hidden_by_images(estimate, size, family):
        return "more test images: their draw alone hides such a difference"
    low, high = (
        seeds_needed(Estimate(estimate.mean, estimate.n, spread, estimate.df, estimate.images), size, family)
        for spread in spread_interval(estimate)
    )
    middle = seeds_needed(estimate, size, family)
    beyond = f"more than {MOST_SEEDS}"
    if middle is None:
        return f"{beyond} {unit}" + (f" (or only {low})" if low else "")
    return f"about {middle} {unit} ({low} to {high or beyond})"
