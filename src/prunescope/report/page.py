"""The report's page: its sections in their order, written as report.md, report.html and figures/."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from prunescope.evidence.claims import judge
from prunescope.evidence.text import NOT_RUN, NOTHING
from prunescope.files import write_text
from prunescope.report import causes, deployed, drawn, findings, pictures, records, sensitivity, subgroups
from prunescope.report.blocks import Block, Commands, Picture, Plot, Section, Table, Text, to_html, to_markdown
from prunescope.results.grid import BASE
from prunescope.results.results import Results

CELL = ("model", "data", "sparsity %")
JUDGED_BY = (
    "The commands make the networks and their numbers. Sentences and verdicts are by the rules of the code that wrote this page, "
    "which may be newer than that commit."
)
QUESTION = "Does it matter how a network is pruned, what does it cost, and does it still see the same things inside?"


def write(
    results: Results,
    out: Path,
    *,
    provenance: Mapping[str, str],
    reproduce: Sequence[str],
    html: bool = True,
    figures: Path | None = None,
) -> None:
    """Write out/report.md, out/figures/*.png and, with `html`, out/report.html (self-contained).

    `provenance` is printed as given, `reproduce` are shell lines. Missing cells show as "not run". Figures that are there and
    would be the same are not drawn again; `figures` keeps copies of them where `out` is emptied before.
    """
    content, grid = sections(results, provenance=provenance, reproduce=reproduce), results.grid
    shown = [block for section in content for block in section.blocks if isinstance(block, Plot | Picture)]
    drawn.write(shown, out / "figures", figures)
    about = f"prunescope report of the study {grid.name}: {', '.join(grid.models)}; {', '.join(grid.datasets)}"
    write_text(out / "report.md", to_markdown(QUESTION, about, content))
    if html:
        write_text(out / "report.html", to_html(QUESTION, about, content))


def sections(results: Results, *, provenance: Mapping[str, str], reproduce: Sequence[str]) -> list[Section]:
    """The report's content in its order: what was found, what it rests on, how it was made."""
    judged = judge(results)
    similarity = [*records.similarity(results), *pictures.depth_figures(results), *pictures.heatmap_figures(results)]
    training = [*pictures.training_figures(results), *pictures.layers_figures(results)]
    found = [
        Section("Answer", list(findings.verdict_blocks(results, judged))),
        Section("Claims", list(findings.claim_blocks(results, judged))),
        Section("Accuracy", list(findings.accuracy_blocks(results))),
        Section("Who pays", [*findings.who_pays_blocks(results), *pictures.confusion_figures(results)]),
        Section("Who pays, by subgroup", list(subgroups.blocks(results))),
        Section("Causes and controls", list(causes.blocks(results))),
        Section("Budgets and costs", [*pictures.cost_figure(results), *records.budgets(results)]),
        Section("Deployment", list(deployed.blocks(results))),
        Section("Training", training),
        Section("Students", list(findings.student_blocks(results))),
        Section("Layer sensitivity", list(sensitivity.layer_blocks(results))),
        Section("Layer similarity", similarity),
        Section("Data", list(records.data(results))),
        Section("Provenance", list(records.provenance(results, provenance))),
        Section("How to reproduce", [Commands(reproduce), Text(JUDGED_BY)]),
    ]
    return [Section(of.title, [compact(block) for block in of.blocks]) for of in found if of.blocks]


def compact(block: Block) -> Block:
    """A table without the cells (model, data set, level) of which nothing ran, without bases that older studies did not evaluate,
    and without columns that say nothing; one of which nothing at all ran stays whole."""
    if not isinstance(block, Table) or not set(CELL) <= set(block.frame.columns):
        return block
    nothing = (block.frame == NOT_RUN).any(axis=1)
    empty = nothing.groupby([block.frame[name] for name in CELL]).transform("all")
    if "method" in block.frame:
        empty |= nothing & (block.frame["method"] == BASE)
    if empty.all():
        return block
    kept = block.frame[~empty]
    said = [place < block.labels or not (kept[name] == NOTHING).all() for place, name in enumerate(kept.columns)]
    return replace(block, frame=kept.loc[:, said])
