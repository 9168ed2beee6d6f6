"""The page's section on subgroups: who pays by age, sex, site or whatever else is known of the images."""

from collections.abc import Iterator

from prunescope.evidence import bands, subgroups
from prunescope.evidence.subgroup_table import left_out, said, subgroup_table
from prunescope.report.blocks import Block, Table, Text
from prunescope.report.pictures import subgroup_figure
from prunescope.results.results import Results

RULES = (
    "Change from the dense control to each method on the images of a subgroup, mean over seeds; in brackets 95 % intervals over "
    "test images, resampled by group (lesion), for both networks together. Shown, with a dot, is what a t-test finds whose error "
    "has the draw of images (by that resampling) and that of seeds, corrected for all subgroups, measures, methods and cells "
    f"together (Holm, {subgroups.LEVEL * 100:.0f} %). Never named are subgroups of fewer than {subgroups.LEAST_GROUPS} groups, "
    f"nor the recall of a class with fewer than {subgroups.LEAST_CRITICAL} there. Balanced accuracy is over the classes with "
    f"{subgroups.LEAST_OF_CLASS} groups or more in the subgroup. Ages are in bands from {bands.AGES[0]} and {bands.AGES[1]} "
    f"years, numbers of more than {bands.FEW_NUMBERS} values in thirds of the images."
)


def blocks(results: Results) -> Iterator[Block]:
    """Nothing where no data set has columns, as in studies that were kept before predictions had them."""
    if sentence := said(results):
        yield Text(sentence)
        yield from subgroup_figure(results)
        yield Table(
            subgroup_table(results),
            "Change of recall by subgroup, percentage points. Images and groups are those that the measure counts. Source: the "
            "predictions under metrics/evaluate.",
            labels=5,
            folded=True,
        )
        yield Text(RULES, folded=True)
    if note := left_out(results):
        yield Text(note)
