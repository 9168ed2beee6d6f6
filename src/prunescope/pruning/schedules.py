"""Sparsity schedules: the targets of an iterative plan's rounds, rising and ending exactly at the asked sparsity.

A new schedule is a function (sparsity, step) -> targets and a line in SCHEDULES, and its name in study/tables.py
(SparsitySchedule). `step` is the share that a round removes: of all prunable weights (linear, cubic: on average) or of those
that are left (geometric).
"""

import math


def linear(sparsity: float, step: float) -> list[float]:
    """`step` of all weights a round, the last one possibly less; from a base that has learnt the task already."""
    return [step * number for number in range(1, _rounds(sparsity / step))] + [sparsity]


def geometric(sparsity: float, step: float) -> list[float]:
    """`step` of the weights that are left a round, the last one possibly less (Frankle & Carbin 2019: 0.2)."""
    rounds = _rounds(math.log1p(-sparsity) / math.log1p(-step)) if step < 1 else 1
    return [1 - (1 - step) ** number for number in range(1, rounds)] + [sparsity]


def cubic(sparsity: float, step: float) -> list[float]:
    """Much at first and little at the end: s (1 - (1 - k/n)^3) in as many rounds as linear (Zhu & Gupta 2017, eq. 1)."""
    rounds = _rounds(sparsity / step)
    return [sparsity * (1 - (1 - number / rounds) ** 3) for number in range(1, rounds)] + [sparsity]


def delayed(sparsity: float, step: float) -> list[float]:
    """Linear after a round that prunes nothing and only trains: the paper's, whose first pruning follows 20 epochs."""
    return [0.0, *linear(sparsity, step)]


SCHEDULES = {"linear": linear, "geometric": geometric, "cubic": cubic, "delayed": delayed}


def _rounds(exact: float) -> int:
    """Whole rounds, at least one; 0.3 / 0.1 is a hair off 3 and means 3."""
    return max(1, math.ceil(exact - 1e-9))
