"""The page's section on deployment: the finished networks as ONNX in the formats that were asked for."""

from collections.abc import Iterator

from prunescope.evidence import deployed
from prunescope.evidence.text import plural
from prunescope.report.blocks import Block, Table, Text
from prunescope.results.results import Results


def blocks(results: Results) -> Iterator[Block]:
    found = deployed.table(results)
    if not len(found):
        return
    yield Text(deployed.sentence(results))
    yield Table(
        found,
        f"The same networks as ONNX files, each measured on the test split in {deployed.runtimes(results)}. Change: against the "
        "same network in torch's float32 on the same images, in brackets the ends of the 95 % intervals of all seeds; within the "
        f"margin ({plural(results.grid.margin, 'point')}) only where every interval is. That is said of the endpoint alone: "
        "changes of critical classes stand beside it. Where no decision changed, an interval reaches as far as so few images "
        "leave open; one without any width says that the file computes the same function. bf16: weights stored in 16 bits, used "
        "in float32. int8: weights per output channel, activations calibrated on training images; removed weights stay zero. "
        "Times: medians, and their ratio to the dense float32 network, which took turns with each. Source: metrics/deploy.",
        labels=5,
        folded=True,
    )
