"""How often verdicts say what is not so, and how often they find what is: simulated, by the page's rule and others.

    python benchmarks/verdicts.py

Cells of dense and three methods; what is compared are the methods, or each with dense, in all cells one family at 5 %. Prints
Markdown.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from prunescope.evidence.inference import known_as, noise_of_pairs
from prunescope.evidence.overall import over_networks

Floats = NDArray[np.float64]
Pairs = tuple[tuple[int, int], ...]
PAIRS = ((1, 2), (1, 3), (2, 3))  # of dense, oneshot, layerwise, iterative
TO_DENSE = ((1, 0), (2, 0), (3, 0))
STUDIES = 10_000
FEWER = 2_000  # of many networks
ARMS = {
    "all arms alike": (1, 1, 1, 1),
    "one method twice as noisy": (1, 1, 1, 2),
    "one method three times": (1, 1, 1, 3),
    "one method ten times": (1, 1, 1, 10),
    "the control twice": (2, 1, 1, 1),
    "one method half as noisy": (1, 1, 1, 0.5),
}
RULES = ("t of each pair, Bonferroni", "pooled", "moderated over cells", "largest of three, own in full", "the page's")


def pooling(values: Floats) -> tuple[Floats, float]:
    """Of values (B, cells, arms, seeds): pooled noise (B, cells), and its degrees of freedom."""
    *_, arms, seeds = values.shape
    left = values - values.mean(-1, keepdims=True) - values.mean(-2, keepdims=True) + values.mean((-1, -2), keepdims=True)
    freedom = (arms - 1) * (seeds - 1)
    return (left**2).sum((-1, -2)) / freedom, freedom


def errors(values: Floats, pairs: Pairs) -> tuple[Floats, Floats, float]:
    """The same, and between them each pair's own half variance (B, cells, pairs)."""
    pooled, freedom = pooling(values)
    own = np.stack([(values[..., a, :] - values[..., b, :]).var(-1, ddof=1) / 2 for a, b in pairs], axis=-1)
    return pooled, own, freedom


def moderated(pooled: Floats, freedom: float) -> tuple[Floats, Floats]:
    """Variances (B, cells) shrunk to each other, with their degrees of freedom (Smyth 2004)."""
    from scipy.special import digamma, polygamma

    cells = pooled.shape[1]
    if cells == 1:
        return pooled, np.full(pooled.shape, freedom)
    logs = np.log(pooled) - digamma(freedom / 2) + np.log(freedom / 2)
    spread = logs.var(1, ddof=1) - polygamma(1, freedom / 2)
    differ, half = spread > 0, np.full(len(spread), 1e6)
    for _ in range(60):  # Newton's inverse of the trigamma function
        now = polygamma(1, half[differ])
        half[differ] = np.maximum(half[differ] + now * (1 - now / spread[differ]) / polygamma(2, half[differ]), 1e-3)
        half[differ] = np.where(half[differ] > 1e5, 0.5 + 1 / spread[differ], half[differ])
    prior = np.where(differ, 2 * half, np.inf)[:, None]
    level = np.where(differ, np.exp(logs.mean(1) + digamma(half) - np.log(half)), pooled.mean(1))[:, None]
    known = np.where(np.isfinite(prior), prior, 0)
    after = np.where(np.isfinite(prior), (known * level + freedom * pooled) / (known + freedom), level)
    return after, np.broadcast_to(np.minimum(prior + freedom, cells * freedom), pooled.shape)


def found(values: Floats, rule: str, pairs: Pairs, apart: int = -1) -> NDArray[np.bool_]:
    """Whether each comparison (B, cells x pairs) is called unlike zero; apart: an arm that is a negative control."""
    pooled, own, freedom = errors(values, pairs)
    means = values.mean(-1)
    differences = np.stack([means[..., a] - means[..., b] for a, b in pairs], axis=-1)
    df = np.full(own.shape, float(freedom))
    if rule == RULES[0]:
        variance, df = own, np.full(own.shape, values.shape[-1] - 1.0)
    elif rule == RULES[2]:
        shrunk, freed = moderated(pooled, freedom)
        variance, df = np.repeat(shrunk[..., None], 3, -1), np.repeat(freed[..., None], 3, -1)
    elif rule == RULES[3]:
        relative = own / pooled[..., None]
        variance = pooled[..., None] * np.maximum(np.maximum(1, relative.mean(1, keepdims=True)), relative)
    elif rule == RULES[4]:
        df = df * np.array([known_as(list(study)) for study in values])[:, None, None]
        noises = np.repeat(pooled[..., None], len(pairs), -1)
        if apart >= 0:
            others, alone = np.delete(values, apart, -2), [apart not in pair for pair in pairs]
            left, fewer = pooling(others)
            noises[..., alone] = left[..., None]
            df[..., alone] = fewer * np.array([known_as(list(study)) for study in others])[:, None, None]
        variance = np.stack([noise_of_pairs(*study) for study in zip(own, noises, strict=True)])
    else:
        variance = np.repeat(pooled[..., None], 3, -1)
    p = 2 * stats.t.sf(np.abs(differences) / np.sqrt(2 * variance / values.shape[-1]), df).reshape(len(values), -1)
    if rule == RULES[0]:
        return p < 0.05 / p.shape[1]
    order = np.argsort(p, axis=1)
    steps = np.maximum.accumulate(np.take_along_axis(p, order, 1) * np.arange(p.shape[1], 0, -1), axis=1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, steps, 1)
    return adjusted < 0.05


def studies(seed: int, cells: int, seeds: int, arms: tuple[float, ...], noisier: float = 1.0) -> Floats:
    """Nothing but noise; half of the cells `noisier` than the others."""
    values = np.random.default_rng(seed).normal(size=(STUDIES, cells, 4, seeds)) * np.array(arms)[:, None]
    values[:, cells // 2 :] *= noisier
    return values


def main() -> None:
    print(f"| studies of noise alone | cells | seeds | {' | '.join(RULES)} |\n| :-- | --: | --: |{' --: |' * len(RULES)}")

    def row(name: str, values: Floats, which: slice = slice(None), pairs: Pairs = PAIRS) -> None:
        rates = [found(values, rule, pairs)[:, which].any(1).mean() * 100 for rule in RULES]
        print(f"| {name} | {values.shape[1]} | {values.shape[3]} | {' | '.join(f'{rate:.1f}' for rate in rates)} |", flush=True)

    for name, arms in ARMS.items():
        row(name, studies(0, 6, 3, arms))
    different = studies(1, 6, 3, (1, 1, 1, 1))
    for cell in range(6):
        different[:, cell, 1 + cell % 3] *= 2
    row("another method twice in each cell", different)
    row("half of the cells 1.5 times as noisy", studies(2, 6, 3, (1, 1, 1, 1), 1.5))
    row("half of the cells three times", studies(3, 6, 3, (1, 1, 1, 1), 3.0))
    for cells, seeds in ((1, 3), (2, 3), (6, 2), (6, 5)):
        row("one method twice as noisy", studies(4, cells, seeds, (1, 1, 1, 2)))
    for times in (1, 3, 10):
        row(f"against the control, {times} times as noisy", studies(6, 6, 3, (times, 1, 1, 1)), pairs=TO_DENSE)
    row("against the control, 3 times as noisy", studies(7, 1, 3, (3, 1, 1, 1)), pairs=TO_DENSE)
    print(f"\n| an effect of 3 deviations is found | cells | seeds | {' | '.join(RULES)} |")
    print(f"| :-- | --: | --: |{' --: |' * len(RULES)}")
    for cells, seeds in ((1, 3), (2, 3), (6, 3), (6, 5)):
        values = studies(5, cells, seeds, (1, 1, 1, 1))
        values[:, 0, 1] += 3 * math.sqrt(2)
        row("oneshot of one cell", values, slice(0, 1))


def negative(control: int, networks: int, cells: int, seeds: int) -> str:
    """A row of studies with a negative control that is so many times as noisy: each network against dense."""
    values = np.random.default_rng(0).normal(size=(FEWER, cells, networks, seeds))
    values[:, :, -1] *= control
    pairs = tuple((arm, 0) for arm in range(1, networks))
    shifted = values.copy()
    shifted[:, 0, 1] += 4 * math.sqrt(2)
    wrong = [found(values, RULES[4], pairs, apart).any(1).mean() * 100 for apart in (-1, networks - 1)]
    seen = [found(shifted, RULES[4], pairs, apart)[:, 0].mean() * 100 for apart in (-1, networks - 1)]
    return (
        " | ".join([f"| {control} times", *map(str, (networks, cells, seeds)), *(f"{rate:.1f}" for rate in (*wrong, *seen))])
        + " |"
    )


def negatives() -> None:
    rates = ("errs, in the pool", "errs, apart", "finds, in the pool", "finds, apart")
    print(f"\n| the negative control's noise | networks | cells | seeds | {' | '.join(rates)} |")
    print("| :-- | --: | --: | --: | --: | --: | --: | --: |")
    for networks, cells, seeds in ((5, 2, 3), (9, 2, 3), (9, 2, 5), (9, 6, 3)):
        for control in (1, 3, 10):
            print(negative(control, networks, cells, seeds), flush=True)


def levels_of(networks: tuple[int, ...], apart: float) -> str:
    """A row of studies whose networks have so many levels each: levels differ by `apart` of what networks differ by."""
    generator, of = np.random.default_rng(0), [name for name, count in enumerate(networks) for _ in range(count)]
    units = ([(cell, cell) for cell in range(len(of))], [(name, name) for name in of])
    errors, known = 0.3, 0.09 * np.eye(len(of))
    counts = np.zeros((2, 2))
    for _ in range(FEWER):
        truths = generator.normal(size=len(networks))[of] + apart * generator.normal(size=len(of))
        seen = truths + errors * generator.normal(size=len(of))
        counts += [[over_networks(seen + mean, known, unit)[0].estimate.p < 0.05 for unit in units] for mean in (0, 3)]
    rates = " | ".join(f"{rate:.1f}" for rate in (counts * 100 / FEWER).ravel())
    return f"| {' + '.join(map(str, networks))} | {apart:g} | {rates} |"


def levels() -> None:
    rates = ("errs, each level a draw", "errs, averaged first", "finds, each level a draw", "finds, averaged first")
    print(f"\n| levels of each network | they differ by | {' | '.join(rates)} |\n| :-- | --: | --: | --: | --: | --: |")
    for networks in ((3, 3), (3, 3, 1), (3, 3, 3), (3, 3, 3, 3)):
        for apart in (0, 0.5, 1):
            print(levels_of(networks, apart), flush=True)


RESEMBLE = {  # deviations of models, of data sets, of each network: one together
    "each network its own": (0.0, 0.0, 1.0),
    "half by model": (0.7071, 0.0, 0.7071),
    "by model": (1.0, 0.0, 0.01),
    "in thirds": (0.5774, 0.5774, 0.5774),
    "by model and data set": (0.7071, 0.7071, 0.01),
}


def crossed_of(models: int, datasets: int, missing: int, resemble: str) -> str:
    """A row of studies in which models meet data sets; the last `missing` networks did not run."""
    generator = np.random.default_rng(0)
    networks = [(model, data) for model in range(models) for data in range(datasets)]
    networks = networks[: len(networks) - missing]
    (of_model, of_data), known = np.array(networks).T, 0.01 * np.eye(len(networks))
    counts = np.zeros((2, 2))
    for _ in range(FEWER):
        model, data, own = (of * generator.normal(size=len(networks)) for of in RESEMBLE[resemble])
        seen = model[of_model] + data[of_data] + own + 0.1 * generator.normal(size=len(networks))
        for row, mean in enumerate((0, 3)):
            every = over_networks(seen + mean, known, networks)
            counts[row] += [next(of for of in every if of.unit == "networks").estimate.p < 0.05, every[0].estimate.p < 0.05]
    rates = " | ".join(f"{rate:.1f}" for rate in (counts * 100 / FEWER).ravel())
    return f"| {models} x {datasets}{f' less {missing}' * (missing > 0)} | {resemble} | {rates} |"


def crossed() -> None:
    rates = ("errs, networks as draws", "errs, the widest", "finds, networks as draws", "finds, the widest")
    print(f"\n| models x data sets | they differ | {' | '.join(rates)} |\n| :-- | :-- | --: | --: | --: | --: |")
    for design in ((2, 2, 1), (2, 2, 0), (3, 3, 0), (4, 4, 0)):
        for resemble in RESEMBLE:
            print(crossed_of(*design, resemble), flush=True)


if __name__ == "__main__":
    main()
    negatives()
    levels()
    crossed()
