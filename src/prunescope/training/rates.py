"""Learning-rate schedules: (highest rate, steps of the budget) -> step -> rate.

A new one is a function here and a line in SCHEDULES, and its name in study/tables.py (RateSchedule).
"""

import math
from collections.abc import Callable

HELD = 0.7  # share of a budget before `hold` descends: seven pauses of a tenth, the paper's rounds to 80 %

Schedule = Callable[[int], float]


def constant(base: float, total: int) -> Schedule:
    """The paper's: the same rate throughout."""
    return lambda step: base


def cosine(base: float, total: int) -> Schedule:
    """From `base` to 0 along half a cosine (Loshchilov & Hutter 2017), after a linear warm-up over the first 5 % of steps."""
    warmup = max(1, total // 20)

    def rate(step: int) -> float:
        falling = base * 0.5 * (1 + math.cos(math.pi * step / max(total, 1)))
        return falling * min(1.0, (step + 1) / warmup)

    return rate


def step(base: float, total: int) -> Schedule:
    """A tenth of the rate after one half and again after three quarters of the budget."""
    return lambda number: base * (0.1 if number >= total / 2 else 1) * (0.1 if number >= total * 3 / 4 else 1)


def hold(base: float, total: int) -> Schedule:
    """`base` for `HELD` of the budget, while rounds still prune, then on a line to 0 (a cool-down, Hägele et al. 2024).

    A function of the step in the whole budget: every arm has the same rate at the same step, and all of the descent after its
    last pruning: iterative plans see to it, layerwise ones where `recovery_share` is at most `HELD`.
    """
    falls = held("hold", total) or 0
    return lambda step: base * min(1.0, (total - step) / max(total - falls, 1))


def held(schedule: str, total: int) -> int | None:
    """Steps of the budget after which a schedule falls on to its end; None for one that has no such part."""
    return round(HELD * total) if schedule == "hold" else None


SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {"constant": constant, "cosine": cosine, "step": step, "hold": hold}
