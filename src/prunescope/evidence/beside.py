"""What stands beside the paper's conclusions: a cause held still, or the same asked in another way. No verdict rests on it."""

from prunescope.evidence.claims import CLAIMS, PRIMARY, SIMILARITY, Claim, Judged, judge
from prunescope.evidence.measures import alike_at_equal_levels, beats, beats_dense, late_students, trains_sooner
from prunescope.results.results import Results

WORST, ALIKE, TRAINS, STUDENTS = (claim for claim in CLAIMS if claim.number in (2, 4, 5, 6))
EQUAL_LEVELS = "The same of networks whose layers all have the same level: what schedules do without levels."
BESIDE = (
    Claim(
        WORST.number,
        EQUAL_LEVELS,
        f"{PRIMARY} of oneshot-uniform and iterative-uniform less that of layerwise",
        WORST.unit,
        WORST.form,
        beats("layerwise", ("oneshot-uniform", "iterative-uniform"), worse=True),
    ),
    Claim(
        ALIKE.number,
        EQUAL_LEVELS,
        f"{SIMILARITY} of the same layer in oneshot-uniform and iterative-uniform less that of each with layerwise",
        ALIKE.unit,
        ALIKE.form,
        alike_at_equal_levels,
    ),
    Claim(
        TRAINS.number,
        "The pruned one reaches a given training accuracy sooner.",
        "steps until the training accuracy that dense has at half of the budget: how many fewer than dense needs",
        "% of the budget",
        "+.1f",
        trains_sooner,
        only_vgg16=True,
    ),
    Claim(
        TRAINS.number,
        "The pruned one is better on the test split.",
        f"{PRIMARY} of each method less that of dense",
        "points",
        "+.1f",
        beats_dense,
        only_vgg16=True,
    ),
    Claim(
        STUDENTS.number,
        "The student's late layers resemble the teacher's.",
        STUDENTS.measure.replace("first half", "second half"),
        STUDENTS.unit,
        STUDENTS.form,
        late_students,
        only_teachers=True,
    ),
)


def judged(results: Results) -> Judged:
    """Those that something was measured of."""
    found = judge(results, BESIDE)
    return {
        claim: cells
        for claim, cells in found.items()
        if any(of.judgement.estimate.n for cell in cells.values() for of in cell.values())
    }
